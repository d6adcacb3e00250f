"""What a setting chooses among. Standard library only: programs on the machines read these names too."""

from enum import StrEnum


class Egress(StrEnum):
    """How workers reach the internet. Nothing on the internet can reach them."""

    DUAL_STACK = "dual-stack"  # IPv6 by a gateway of its own, IPv4 through the manager
    NAT_GATEWAY = "nat-gateway"
    MANAGER = "manager"  # the manager forwards, as a NAT instance
    PUBLIC_ADDRESS = "public-address"  # each worker has one while it runs

    @property
    def manager_forwards(self) -> bool:
        """Does the workers' IPv4 traffic go through the manager?"""
        return self in (Egress.DUAL_STACK, Egress.MANAGER)


class Https(StrEnum):
    """Where the manager's certificate comes from."""

    LETS_ENCRYPT = "lets-encrypt"
    OWN = "own-certificate"
    SELF_SIGNED = "self-signed"
    NONE = "none"  # on a loopback address only


class Base(StrEnum):
    """The operating systems whose newest image is looked up; any other base is given by its AMI id."""

    UBUNTU = "ubuntu-24.04"
    AMAZON_LINUX = "al2023"


class Credits(StrEnum):
    """What a burstable machine does when it has used up its CPU credits."""

    STANDARD = "standard"  # it slows down to its baseline
    UNLIMITED = "unlimited"  # it costs more


class Authenticator(StrEnum):
    """Authenticators, by the names that JupyterHub registers them under."""

    NATIVE = "native"
    GITHUB = "github"
    GOOGLE = "google"
    OAUTH = "oauth"
    LTI = "lti13"
    LDAP = "ldap"
    SHARED_PASSWORD = "shared-password"  # noqa: S105 -- an authenticator's name


INTERFACE_ENDPOINTS = ("ec2", "events", "logs", "monitoring", "ssm", "ssmmessages", "sts")
"""The services of AWS that manager, workers and functions call, Session Manager too, and that have a price by the
hour in each zone as endpoints in the VPC. DynamoDB and S3, which they call too, have gateways without a price.
"""
