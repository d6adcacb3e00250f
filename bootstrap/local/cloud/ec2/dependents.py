"""What EC2 does not delete while something is in it or refers to it: subnets, security groups, VPCs. moto deletes them.

Sources: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (DependencyViolation) and the
descriptions of DeleteSubnet, DeleteSecurityGroup and DeleteVpc there.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.wire import Call


@dataclass(slots=True)
class Dependents:
    """Refuses what has dependents; moto does the rest. Used under the emulator's lock."""

    emulator: Emulator

    def handlers(self) -> Mapping[str, Callable[[Call], Response]]:
        """What answers each call, by action."""
        return {
            "DeleteSubnet": self._delete_subnet,
            "DeleteSecurityGroup": self._delete_group,
            "DeleteVpc": self._delete_vpc,
        }

    def _delete_subnet(self, call: Call) -> Response:
        subnet = wire.parameters(call).get("SubnetId", "")
        if any(one.subnet.id == subnet for one in self._interfaces()):
            raise _violation(f"The subnet '{subnet}' has dependencies and cannot be deleted.")
        return self.emulator.forward(call.service, call.request)

    def _delete_group(self, call: Call) -> Response:
        group = wire.parameters(call).get("GroupId", "")
        has_interface = any(group in {its.id for its in one.group_set} for one in self._interfaces())
        if has_interface or any(group in _named(one) for one in self._groups() if one.id != group):
            raise _violation(f"resource {group} has a dependent object")
        return self.emulator.forward(call.service, call.request)

    def _delete_vpc(self, call: Call) -> Response:
        vpc = wire.parameters(call).get("VpcId", "")
        if any(one.vpc_id == vpc and one.name != "default" for one in self._groups()):
            raise _violation(f"The vpc '{vpc}' has dependencies and cannot be deleted.")
        return self.emulator.forward(call.service, call.request)

    def _interfaces(self) -> list[Any]:
        return list(self.emulator.backend("ec2").enis.values())

    def _groups(self) -> Iterator[Any]:
        for groups in self.emulator.backend("ec2").groups.values():
            yield from groups.values()


def _named(group: Any) -> set[str]:
    """The groups that this one's rules name."""
    rules = (*group.ingress_rules, *group.egress_rules)
    return {str(rule.source_group["GroupId"]) for rule in rules if rule.source_group}


def _violation(message: str) -> AwsError:
    return AwsError("DependencyViolation", message)
