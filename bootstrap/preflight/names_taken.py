"""Do names that the cluster needs belong to another cluster or account?"""

from collections.abc import Collection, Iterator, Sequence

from botocore.exceptions import ClientError

from bootstrap.aws import names
from bootstrap.aws.errors import code_of
from bootstrap.aws.instances import found_by_tags, tags_of
from bootstrap.aws.site import Site
from bootstrap.cluster import inventory
from bootstrap.cluster.inventory import Found
from bootstrap.errors import NotBuilt
from bootstrap.preflight.problem import Problem, warning
from lifecycle_app.contract import TAG_CLUSTER, TAG_OWNER

OTHERS = ("403", "AccessDenied")
NAMES_SHOWN = 5


def problems(site: Site) -> Iterator[Problem]:
    """Names that are taken."""
    yield from judge_owners(site.cluster, site.settings.owner, _owners(site))
    yield from _other_network(site)
    yield from bucket(site)
    yield from _shared_network(site)
    if not site.outputs(names.stack(site.cluster, "data")):
        yield from judge_homes(site.cluster, list(inventory.home_volumes(site)))


def judge_homes(cluster: str, homes: Sequence[Found]) -> Iterator[Problem]:
    """The home disks that an earlier cluster of this name has left. Pure."""
    if homes:
        users = sorted({one.home_of for one in homes})
        shown = ", ".join(users[:NAMES_SHOWN]) + (" and others" if len(users) > NAMES_SHOWN else "")
        yield warning(
            f"an earlier cluster {cluster} has left {len(homes)} home disks ({shown}): whoever logs in by such"
            " a name gets the files. If they are other people, run `cloudjhub down --with-homes` first, or choose"
            " another `cluster`"
        )


def judge_owners(cluster: str, owner: str, owners: set[str]) -> list[Problem]:
    """Does a cluster of this name belong to another owner? Pure."""
    return [
        Problem(
            f"there is already a cluster {cluster} of {other} in this account: choose another `cluster`, or set "
            f"`owner: {other}` if this is the one you mean"
        )
        for other in sorted(owners - {owner})
    ]


def judge_network(cluster: str, built: str, wanted: str) -> Iterator[Problem]:
    """VPC ids: of the existing cluster of this name, and of the settings. Pure."""
    if built != wanted:
        yield Problem(
            f"there is already a cluster {cluster} in the network {built}, and the settings name {wanted}: choose "
            "another `cluster`, or run `cloudjhub down` first"
        )


def judge_range(network: str, built: str, wanted: str) -> Iterator[Problem]:
    """Ranges as CIDR: of the network of this name, and of the settings. Pure."""
    if built != wanted:
        yield Problem(
            f"there is already a network {network} with the range {built}, and the settings name {wanted}: set "
            f"`network.cidr: {built}` to share it, or choose another `network.name`"
        )


def judge_egress(network: str, built: str, wanted: str, others: Collection[str]) -> Iterator[Problem]:
    """The egress of the existing network of this name and of the settings, and the other clusters in it. Pure."""
    if built == wanted or not others:
        return
    yield Problem(
        f"the network {network} has the egress {built}, also used by {', '.join(sorted(others))}, and the "
        f"settings name {wanted}: set `network.egress: {built}`, or choose another `network.name`"
    )


def _owners(site: Site) -> set[str]:
    """The Owner tags of the cluster's manager; none where there is no manager."""
    tags = map(tags_of, found_by_tags(site.aws, site.cluster, "manager"))
    return {one[TAG_OWNER] for one in tags if TAG_OWNER in one}


def _other_network(site: Site) -> Iterator[Problem]:
    place = site.outputs(names.stack(site.cluster, "place"))
    try:
        wanted = site.network().vpc
    except NotBuilt:
        wanted = f"{site.settings.network.name}, which is not built"
    if not place:
        return
    groups = site.aws.client("ec2").describe_security_groups(GroupIds=[place["WorkerGroup"]])
    yield from judge_network(site.cluster, groups["SecurityGroups"][0]["VpcId"], wanted)


def bucket(site: Site) -> Iterator[Problem]:
    """Does another account have the bucket's name? Bucket names are global."""
    name = names.bucket(site.cluster, site.aws)
    try:
        site.aws.client("s3").head_bucket(Bucket=name)
    except ClientError as error:
        if code_of(error) in OTHERS:
            yield Problem(f"the bucket {name} belongs to another account: choose another `cluster`")
        elif code_of(error) != "404":
            raise


def _shared_network(site: Site) -> Iterator[Problem]:
    network, ec2 = site.settings.network, site.aws.client("ec2")
    built = site.outputs(names.network_stack(network.name)) if network.is_ours else {}
    if not built:
        return
    found = ec2.describe_vpcs(VpcIds=[built["Vpc"]])["Vpcs"][0]
    yield from judge_range(network.name, found["CidrBlock"], str(network.cidr))
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [built["Vpc"]]}])
    tags = [tag for group in groups["SecurityGroups"] for tag in group.get("Tags", [])]
    clusters = {tag["Value"] for tag in tags if tag["Key"] == TAG_CLUSTER}
    yield from judge_egress(network.name, built["Egress"], network.egress, clusters - {site.cluster})
