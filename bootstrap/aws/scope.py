"""What a policy is written for: one cluster in one account and region."""

from dataclasses import dataclass

from bootstrap.aws import names
from hub.database.archive import PREFIX
from lifecycle_app.contract import CLUSTER_NAME, ROLE_WORKER, TAG_CLUSTER, TAG_ROLE


@dataclass(frozen=True, slots=True)
class Challenge:
    """The TXT record by which Let's Encrypt validates a domain with its wildcard, and the id of its hosted zone."""

    zone_id: str
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The cluster a policy is for.

    Account and region may be "*": a role reaches its own account only, and the names hold the cluster. Subnets,
    security groups and images (ids) narrow what the hub may launch; left empty, the account's own are allowed.
    `challenge` is the one DNS record that the manager may change. An operator may change those of `domain`, in hosted
    zones with these ids, or in any. `tag_keys` are those of the institution's own tags; roles have its path, prefix and
    permissions boundary (an ARN), if it has some. `key` is the ARN of the institution's KMS key, which everything is
    encrypted with; "" for AWS's own. Those functions of a private cluster that
    ask its hub run in its VPC.
    """

    cluster: str
    account: str = "*"
    region: str = "*"
    partition: str = "aws"
    worker_role: str = ""  # role and instance profile; `cloudjhub-<cluster>-worker` unless named
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    challenge: Challenge | None = None
    domain: str = ""
    zones: tuple[str, ...] = ()
    tag_keys: tuple[str, ...] = ()
    role_path: str = "/"
    role_prefix: str = ""
    boundary: str = ""
    key: str = ""
    is_private: bool = False

    def __post_init__(self) -> None:
        if not CLUSTER_NAME.match(self.cluster):
            raise ValueError(f"cluster name {self.cluster!r}: use a letter and up to 31 of a-z, 0-9 and -")
        if not self.worker_role:
            object.__setattr__(self, "worker_role", names.role(self.cluster, "worker", self.role_prefix))

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a regional resource of this account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def iam_arn(self, resource: str) -> str:
        """The ARN of an IAM resource of this account: IAM has no region."""
        return f"arn:{self.partition}:iam::{self.account}:{resource}"

    def role_arn(self, name: str) -> str:
        """The ARN of a role by its name."""
        return self.iam_arn(f"role{self.role_path}{name}")

    def profile_arn(self, name: str) -> str:
        """The ARN of an instance profile by its name."""
        return self.iam_arn(f"instance-profile{self.role_path}{name}")

    def public_arn(self, resource: str) -> str:
        """The ARN of an EC2 image, which names no account."""
        return f"arn:{self.partition}:ec2:{self.region}::{resource}"

    def zone_arn(self, zone_id: str) -> str:
        """The ARN of a hosted zone: Route 53's name neither region nor account."""
        return f"arn:{self.partition}:route53:::hostedzone/{zone_id}"

    def table(self, name: str) -> str:
        """The ARN of one of the cluster's tables."""
        return self.arn("dynamodb", f"table/{names.table(self.cluster, name)}")

    def indexes(self, name: str) -> str:
        """All indexes of a table."""
        return f"{self.table(name)}/index/*"

    def parameter(self, name: str) -> str:
        """The ARN of one of the cluster's parameters; the name may end in `*`."""
        return self.arn("ssm", f"parameter/cloudjhub/{self.cluster}/{name}")

    def bundles(self) -> str:
        """The objects that instances set themselves up from."""
        return f"{self.bucket_arn}/bundle/*"

    def backups(self) -> str:
        """The copies of JupyterHub's database."""
        return f"{self.bucket_arn}/{PREFIX}*"

    @property
    def bucket_arn(self) -> str:
        """S3's ARNs name neither region nor account; the bucket's own name holds them."""
        return f"arn:{self.partition}:s3:::{names.bucket(self.cluster, self)}"

    @property
    def ec2_service(self) -> str:
        """EC2's name as a principal; China has its own."""
        return "ec2.amazonaws.com.cn" if self.partition == "aws-cn" else "ec2.amazonaws.com"

    @property
    def worker_tags_of_request(self) -> dict[str, str]:
        """Condition: whatever is made is tagged as a worker of this cluster."""
        return self._worker_tags("aws:RequestTag")

    @property
    def worker_tags_of_resource(self) -> dict[str, str]:
        """Condition: whatever is touched is tagged as a worker of this cluster."""
        return self._worker_tags("aws:ResourceTag")

    def _worker_tags(self, kind: str) -> dict[str, str]:
        return {f"{kind}/{TAG_CLUSTER}": self.cluster, f"{kind}/{TAG_ROLE}": ROLE_WORKER}
