"""EC2's rules about changes of a volume, with EC2's messages and codes; and the calls that make and list them.

A change is `modifying`, then `optimizing`, then `completed`; the new size can be used from `optimizing` on. The next
change may follow once it is completed, and there are at most four in 24 hours.
Sources: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modify-volume.html and the errors that EC2 returns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.wire import Call

MODIFYING, OPTIMIZING = timedelta(seconds=1), timedelta(seconds=10)
"""How long a change is in each state. On EC2 seconds, and minutes to hours."""
MOST_CHANGES, WITHIN = 4, timedelta(hours=24)
LARGEST = 16384
"""GiB of a gp3 volume."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a volume's size, in GiB."""

    began: float
    """Epoch seconds."""
    original: int
    target: int

    def state(self, now: float) -> str:
        """Its ModificationState."""
        gone = timedelta(seconds=now - self.began)
        if gone < MODIFYING:
            return "modifying"
        return "optimizing" if gone < MODIFYING + OPTIMIZING else "completed"


def check(volume_id: str, size: int, target: int, changes: Sequence[Change], now: float) -> None:
    """Raises AwsError if a volume of that size, with these changes, oldest first, cannot be changed to the target."""
    if target > LARGEST:
        raise AwsError("InvalidParameterValue", f"Volume of {target}GiB is too large for volume type gp3.")
    if target < size:
        raise AwsError("InvalidParameterValue", "New size cannot be smaller than existing size")
    if changes and (state := changes[-1].state(now)) != "completed":
        message = f"Volume {volume_id} cannot be modified in modification state {state.upper()}"
        raise AwsError("IncorrectModificationState", message)
    if sum(now - one.began < WITHIN.total_seconds() for one in changes) >= MOST_CHANGES:
        message = "You've reached the maximum modification rate per volume limit. Try again later."
        raise AwsError("VolumeModificationRateExceeded", message)


@dataclass(slots=True)
class Modifications:
    """Answers the calls that change volumes' sizes and list these changes. Used under the emulator's lock."""

    emulator: Emulator
    clock: Callable[[], float]
    changes: dict[str, list[Change]] = field(default_factory=dict)

    def handlers(self) -> Mapping[str, Callable[[Call], Response]]:
        """What answers each call, by action."""
        return {"ModifyVolume": self._modify, "DescribeVolumesModifications": self._describe}

    def check_attachable(self, volume_id: str) -> None:
        """Raises AwsError while a volume has a size that is neither the old nor the new one."""
        changes = self.changes.get(volume_id)
        if changes and changes[-1].state(self.clock()) == "modifying":
            message = f"Cannot attach volume {volume_id} when it is in modification state: MODIFYING"
            raise AwsError("OperationNotPermitted", message)

    def _modify(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        volume = self.emulator.backend("ec2").volumes.get(parameters.get("VolumeId", ""))
        if volume is None or set(parameters) - {"VolumeId", "Size", "DryRun"} or "Size" not in parameters:
            return self.emulator.forward(call.service, call.request)
        changes, target, now = self.changes.setdefault(volume.id, []), int(parameters["Size"]), self.clock()
        check(volume.id, int(volume.size), target, changes, now)
        if parameters.get("DryRun"):
            raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        changes.append(Change(now, int(volume.size), target))
        volume.size = target
        return wire.answer(call, {"VolumeModification": _shown(volume.id, changes[-1], now)})

    def _describe(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        wanted = set(parameters.get("VolumeIds", ()))
        filters = {one["Name"]: one["Values"] for one in parameters.get("Filters", ())}
        if set(filters) - {"volume-id", "modification-state"}:
            raise AwsError("InvalidParameterValue", f"The filter '{sorted(filters)[0]}' is not emulated")
        if unknown := wanted - set(self.emulator.backend("ec2").volumes):
            raise AwsError("InvalidVolume.NotFound", f"The volume '{min(unknown)}' does not exist.")
        now = self.clock()
        shown = [
            _shown(volume_id, changes[-1], now) for volume_id, changes in self.changes.items() if changes
        ]
        matching = [
            one
            for one in shown
            if (not wanted or one["VolumeId"] in wanted)
            and one["VolumeId"] in filters.get("volume-id", [one["VolumeId"]])
            and one["ModificationState"] in filters.get("modification-state", [one["ModificationState"]])
        ]
        return wire.answer(call, {"VolumesModifications": matching})


def _shown(volume_id: str, change: Change, now: float) -> dict[str, Any]:
    state = change.state(now)
    ended = change.began + (MODIFYING + OPTIMIZING).total_seconds()
    return {
        "VolumeId": volume_id,
        "ModificationState": state,
        "OriginalSize": change.original,
        "TargetSize": change.target,
        "Progress": 100 if state == "completed" else 0,
        "StartTime": _at(change.began),
        **({"EndTime": _at(ended)} if state == "completed" else {}),
    }


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
