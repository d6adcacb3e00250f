"""AWS's Data Lifecycle Manager, as far as daily snapshots of volumes go: policies, and what they do each day."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.ec2.snapshots import Snapshots
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.wire import Call

DAY = timedelta(days=1)
CHECKED_EVERY = 1.0
"""Seconds."""
POLICY_TAG, SCHEDULE_TAG = "aws:dlm:lifecycle-policy-id", "aws:dlm:lifecycle-schedule-name"
DESCRIPTION = re.compile(r"[0-9A-Za-z _-]{1,500}")
TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
KNOWN = {"PolicyType", "ResourceTypes", "TargetTags", "Schedules"}
KNOWN_OF_SCHEDULE = {"Name", "CopyTags", "CreateRule", "RetainRule"}


@dataclass(slots=True)
class Policy:
    """A policy, and when it is due next (epoch seconds)."""

    id: str
    given: dict[str, Any]
    due_at: float


def check(given: Mapping[str, Any]) -> None:
    """Raises AwsError for what the service refuses, and for what is not emulated: other types of policies, several
    schedules, other intervals than a day, retention by count.
    """
    details = given.get("PolicyDetails", {})
    schedules = details.get("Schedules", [])
    schedule = schedules[0] if len(schedules) == 1 else {}
    creates, retains = schedule.get("CreateRule", {}), schedule.get("RetainRule", {})
    tags = details.get("TargetTags", [])
    wrong = {
        "Description": not DESCRIPTION.fullmatch(given.get("Description", "")),
        "State": given.get("State") not in ("ENABLED", "DISABLED"),
        "PolicyDetails": set(details) != KNOWN,
        "PolicyType": details.get("PolicyType") != "EBS_SNAPSHOT_MANAGEMENT",
        "ResourceTypes": details.get("ResourceTypes") != ["VOLUME"],
        "TargetTags": not tags or any(set(one) != {"Key", "Value"} for one in tags),
        "Schedules": set(schedule) != KNOWN_OF_SCHEDULE,
        "CreateRule": (creates.get("Interval"), creates.get("IntervalUnit")) != (24, "HOURS")
        or not all(TIME.fullmatch(one) for one in creates.get("Times", [""])),
        "RetainRule": retains.get("IntervalUnit") != "DAYS" or not retains.get("Interval", 0) > 0,
    }
    if refused := [name for name, is_wrong in wrong.items() if is_wrong]:
        raise AwsError("InvalidRequestException", f"Invalid request: {', '.join(refused)}")


def next_time(given: Mapping[str, Any], now: datetime) -> datetime:
    """When the policy's schedule is due after `now`."""
    (at,) = given["PolicyDetails"]["Schedules"][0]["CreateRule"]["Times"]
    today = datetime.combine(now.date(), time.fromisoformat(at), UTC)
    return today if today > now else today + DAY


@dataclass(slots=True)
class Backups:
    """Answers for policies, and carries them out. Used under the emulator's lock."""

    emulator: Emulator
    snapshots: Snapshots
    clock: Callable[[], float]
    may_use_key: Callable[[str, str], bool]
    """May a role, by its name, have snapshots made of a volume, by its id?"""
    policies: dict[str, Policy] = field(default_factory=dict)

    def handlers(self) -> Mapping[str, Callable[[Call], Response]]:
        """What answers each call, by action."""
        return {
            "CreateLifecyclePolicy": self._create,
            "GetLifecyclePolicies": self._list,
            "GetLifecyclePolicy": self._get,
            "UpdateLifecyclePolicy": self._update,
            "DeleteLifecyclePolicy": self._delete,
        }

    def run(self, ended: threading.Event) -> None:
        """Carries out what is due until the event is set."""
        while not ended.wait(CHECKED_EVERY):
            with self.emulator.lock:
                self.advance(self.clock())

    def advance(self, now: float) -> None:
        """Carries out what is due at a time (epoch seconds)."""
        at = datetime.fromtimestamp(now, UTC)
        for policy in self.policies.values():
            if policy.due_at <= now:
                policy.due_at = next_time(policy.given, at).timestamp()
                if policy.given["State"] == "ENABLED":
                    self._carry_out(policy, at)

    def _carry_out(self, policy: Policy, now: datetime) -> None:
        """A snapshot of each volume that has one of the tags; then those that are too old are deleted, but of each
        volume its last one."""
        schedule = policy.given["PolicyDetails"]["Schedules"][0]
        ec2, role = self.emulator.backend("ec2"), policy.given["ExecutionRoleArn"].rpartition("/")[2]
        for volume in [one for one in self._targets(policy) if self.may_use_key(role, one)]:
            tags = dict(ec2.tags.get(volume, {})) if schedule["CopyTags"] else {}
            marks = {POLICY_TAG: policy.id, SCHEDULE_TAG: schedule["Name"]}
            made = self.snapshots.make(volume, {**tags, **marks}, f"Created for policy: {policy.id}")
            ec2.snapshots[made].start_time = now.replace(tzinfo=None)
        kept = timedelta(days=schedule["RetainRule"]["Interval"])
        for snapshots in self._made_by(policy).values():
            for one in snapshots[:-1]:
                if one.start_time.replace(tzinfo=UTC) + kept <= now:
                    self.snapshots.remove(one.id)

    def _targets(self, policy: Policy) -> Iterator[str]:
        wanted = [(one["Key"], one["Value"]) for one in policy.given["PolicyDetails"]["TargetTags"]]
        ec2 = self.emulator.backend("ec2")
        for volume in ec2.volumes:
            tags = ec2.tags.get(volume, {})
            if any(tags.get(key) == value for key, value in wanted):
                yield volume

    def _made_by(self, policy: Policy) -> dict[str, list[Any]]:
        """Its snapshots by volume, oldest first."""
        ec2 = self.emulator.backend("ec2")
        found: dict[str, list[Any]] = {}
        for one in sorted(ec2.snapshots.values(), key=lambda one: one.start_time):
            if ec2.tags.get(one.id, {}).get(POLICY_TAG) == policy.id:
                found.setdefault(one.volume.id, []).append(one)
        return found

    def _create(self, call: Call) -> Response:
        given = wire.parameters(call)
        self._check(given)
        due_at = next_time(given, datetime.fromtimestamp(self.clock(), UTC)).timestamp()
        policy = Policy(f"policy-{uuid4().hex[:17]}", given, due_at)
        self.policies[policy.id] = policy
        return wire.answer(call, {"PolicyId": policy.id})

    def _list(self, call: Call) -> Response:
        shown = [
            {"PolicyId": one.id, "Description": one.given["Description"], "State": one.given["State"]}
            for one in self.policies.values()
        ]
        return wire.answer(call, {"Policies": shown})

    def _get(self, call: Call) -> Response:
        policy = self._require(call)
        return wire.answer(call, {"Policy": {"PolicyId": policy.id, **policy.given}})

    def _update(self, call: Call) -> Response:
        policy, changes = self._require(call), wire.parameters(call)
        given = {**policy.given, **{name: value for name, value in changes.items() if name != "PolicyId"}}
        self._check(given)
        policy.given = given
        policy.due_at = next_time(given, datetime.fromtimestamp(self.clock(), UTC)).timestamp()
        return wire.answer(call, {})

    def _delete(self, call: Call) -> Response:
        """The snapshots stay, as the service's do."""
        del self.policies[self._require(call).id]
        return wire.answer(call, {})

    def _require(self, call: Call) -> Policy:
        wanted = wire.parameters(call)["PolicyId"]
        if wanted not in self.policies:
            raise AwsError("ResourceNotFoundException", f"Policy {wanted} does not exist", 404)
        return self.policies[wanted]

    def _check(self, given: Mapping[str, Any]) -> None:
        check(given)
        role = given.get("ExecutionRoleArn", "").rpartition("/")[2]
        roles = [one for one in self.emulator.backend("iam").roles.values() if one.name == role]
        if not roles or "dlm.amazonaws.com" not in roles[0].assume_role_policy_document:
            raise AwsError("InvalidRequestException", f"Invalid role: {given.get('ExecutionRoleArn')}")
