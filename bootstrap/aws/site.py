"""A cluster's site: its settings, the account and region, and what is built already."""

from dataclasses import dataclass
from pathlib import Path

from bootstrap.aws import names, stacks
from bootstrap.aws.scope import Scope
from bootstrap.aws.session import Aws
from bootstrap.config.settings import ClusterSettings
from bootstrap.errors import NotBuilt


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What every step and command works on. What exists is read from AWS, never from a local file."""

    settings: ClusterSettings
    aws: Aws
    directory: Path
    """The operator's own files of this cluster: the Chalice project and logs. May be deleted at any time."""

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return self.settings.cluster

    @property
    def scope(self) -> Scope:
        """Whose policies are written: this account, this region, this cluster."""
        return Scope(
            cluster=self.cluster,
            account=self.aws.account,
            region=self.aws.region,
            partition=self.aws.partition,
            tag_keys=tuple(self.settings.tags),
            role_path=self.settings.role_path or "/",
            role_prefix=self.settings.role_prefix,
            boundary=self.settings.permissions_boundary,
            key=self.settings.kms_key,
            is_private=self.settings.network.private,
        )

    def outputs(self, stack: str) -> dict[str, str]:
        """A stack's outputs; {} where it is not complete."""
        return stacks.outputs(self.aws.client("cloudformation"), stack)

    def place(self) -> dict[str, str]:
        """Outputs of the place stack: ManagerGroup, PublicGroup, WorkerGroup, ManagerInterface, ManagerAddress
        (private), and PublicAddress or, of a private cluster, FunctionGroup. Raises NotBuilt.
        """
        return self._required(names.stack(self.cluster, "place"))

    def network(self) -> "BuiltNetwork":
        """The subnets in use. Raises NotBuilt where they are ours and not there yet."""
        wanted = self.settings.network
        if not wanted.is_ours:
            return BuiltNetwork(wanted.vpc, wanted.manager_subnet, wanted.worker_subnets)
        found = self._required(names.network_stack(wanted.name))
        workers = [found[name] for name in sorted(found) if name.startswith("WorkerSubnet")]
        return BuiltNetwork(found["Vpc"], found["ManagerSubnet"], tuple(workers))

    def not_built(self) -> NotBuilt:
        """The error of a command that needs the cluster."""
        return NotBuilt(f"there is no cluster {self.cluster} in {self.aws.region}: run `cloudjhub up` first")

    def _required(self, stack: str) -> dict[str, str]:
        found = self.outputs(stack)
        if not found:
            raise NotBuilt(f"the stack {stack} does not exist in {self.aws.region}: run `cloudjhub up` first")
        return found


@dataclass(frozen=True, slots=True)
class BuiltNetwork:
    """Ids."""

    vpc: str
    manager_subnet: str
    worker_subnets: tuple[str, ...]
