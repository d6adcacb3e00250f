"""What the parts of a cluster are called. Everything is found again by these names and by the cluster's tag."""

from bootstrap.aws.session import Aws


def network_stack(network: str) -> str:
    """The CloudFormation stack of a network, which several clusters may share."""
    return f"cloudjhub-network-{network}"


def stack(cluster: str, part: str) -> str:
    """The CloudFormation stack of a part of a cluster: data, place or access."""
    return f"cloudjhub-{cluster}-{part}"


def table(cluster: str, name: str) -> str:
    """The table workers, history or settings."""
    return f"cloudjhub-{cluster}-{name}"


def bucket(cluster: str, aws: Aws) -> str:
    """Bucket names are the whole world's: account and region make them ours."""
    return f"cloudjhub-{cluster}-{aws.account}-{aws.region}"


def log_group(cluster: str) -> str:
    """Where the manager's journal goes."""
    return f"/cloudjhub/{cluster}/manager"


def role(cluster: str, part: str) -> str:
    """Role and instance profile of manager, worker or builder."""
    return f"cloudjhub-{cluster}-{part}"


def function(cluster: str, name: str) -> str:
    """A Lambda function, as Chalice names it."""
    return f"cloudjhub-{cluster}-{name}"


def dead_letters(cluster: str) -> str:
    """The queue of events that no function could handle."""
    return f"cloudjhub-{cluster}-dead-letters"


def alerts(cluster: str) -> str:
    """The topic by which alarms reach an administrator."""
    return f"cloudjhub-{cluster}-alerts"


def image(cluster: str) -> str:
    """What worker images are called, before the time that is added."""
    return f"cloudjhub-{cluster}-worker"
