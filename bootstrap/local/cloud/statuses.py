"""DescribeInstanceStatus: EC2's checks of running instances, which take a while after each start."""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.machines import Machine, Machines
from bootstrap.local.cloud.messages import AwsError, Response
from bootstrap.local.cloud.rules import CODES, State, judge_ids, not_found
from bootstrap.local.cloud.wire import Call

DETAILS = {"ok": "passed", "initializing": "initializing", "impaired": "failed"}


class Statuses:
    """Tells of instances as they were `lag` ago. Used under the emulator's lock."""

    def __init__(
        self, machines: Machines, clock: Callable[[], float], checks_take: timedelta, lag: timedelta
    ) -> None:
        self._machines = machines
        self._clock = clock
        self._checks_take = checks_take
        self._lag = lag

    def answer(self, call: Call) -> Response:
        """Of the instances named, or of all; only of those that run, unless all are asked for. Raises AwsError."""
        asked = wire.parameters(call)
        at = self._clock() - self._lag.total_seconds()
        shown = {one.instance_id: one for one in self._machines if one.state_shown(at) is not None}
        ids = asked.get("InstanceIds", [])
        if ids:
            _judge(ids, shown, is_paged="MaxResults" in asked)
        found = [self._status(shown[one], at) for one in ids or shown]
        if not asked.get("IncludeAllInstances"):
            found = [one for one in found if one["InstanceState"]["Name"] == State.RUNNING]
        passed = [one for one in found if all(_passes(one, each) for each in asked.get("Filters", []))]
        return wire.answer(call, {"InstanceStatuses": passed})

    def _status(self, machine: Machine, at: float) -> dict[str, Any]:
        state = machine.state_shown(at) or machine.state
        since = max(entered for entered, _ in machine.history if entered <= at)
        status = self._checks(state, at - since, is_dead=machine.is_dead)
        host = "ok" if status == "impaired" else status
        return {
            "InstanceId": machine.instance_id,
            "AvailabilityZone": str(machine.instance.availability_zone),
            "InstanceState": {"Code": CODES[state], "Name": str(state)},
            "InstanceStatus": _summary(status),
            "SystemStatus": _summary(host),
        }

    def _checks(self, state: State, seconds: float, *, is_dead: bool) -> str:
        if state is not State.RUNNING:
            return "not-applicable"
        if seconds < self._checks_take.total_seconds():
            return "initializing"
        return "impaired" if is_dead else "ok"


def _judge(ids: Collection[str], shown: Mapping[str, Machine], *, is_paged: bool) -> None:
    judge_ids(list(ids))
    if is_paged:
        message = "The parameter instancesSet cannot be used with the parameter maxResults"
        raise AwsError("InvalidParameterCombination", message)
    if missing := [one for one in ids if one not in shown]:
        raise not_found(missing)


def _summary(status: str) -> dict[str, Any]:
    if status not in DETAILS:
        return {"Status": status}
    return {"Status": status, "Details": [{"Name": "reachability", "Status": DETAILS[status]}]}


def _passes(status: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    values = {
        "availability-zone": status["AvailabilityZone"],
        "instance-state-code": str(status["InstanceState"]["Code"]),
        "instance-state-name": status["InstanceState"]["Name"],
        "instance-status.status": status["InstanceStatus"]["Status"],
        "system-status.status": status["SystemStatus"]["Status"],
    }
    if wanted["Name"] not in values:
        raise AwsError("InvalidParameterValue", f"The filter '{wanted['Name']}' is invalid")
    return values[wanted["Name"]] in wanted["Values"]
