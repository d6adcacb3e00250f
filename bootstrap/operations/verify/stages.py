"""The stages of the walk: up, a login, idle stops by alarm and by sweep, restarts, a refusal, down.

Each calls what the commands call: `up`, `down`, `users codes`, `homes grow`. It returns what it saw.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta

from botocore.exceptions import ClientError

from bootstrap.aws.errors import code_of
from bootstrap.aws.instances import described
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report, polls, sparing
from bootstrap.cluster import building, inventory
from bootstrap.errors import LeftOver, Refused, StepFailed
from bootstrap.operations import homes, removal
from bootstrap.operations.verify.checks import observe
from bootstrap.operations.verify.scene import Scene
from bootstrap.operations.verify.throwaway import USER
from bootstrap.operations.verify.verdict import Judged, Observation, confirmed, not_observed, refuted
from bootstrap.operations.verify.visitor import Visitor
from bootstrap.operations.verify.walk import Clock, Stage
from bootstrap.operations.workers.listing import listed_workers, store_of
from lifecycle_app.contract import idle_alarm_name
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.worker import State, Worker

UP_TAKES, DOWN_TAKES = timedelta(minutes=25), timedelta(minutes=10)
"""As the guide says."""
STOPS_WITHIN = 1200.0
"""Seconds: the idle timeout, a sweep's five minutes, a drain and EC2's own stop."""
ALARM_WITHIN = 120.0
"""Seconds: the pass that puts a missing one comes each minute."""
ALARM, SWEEP = "idle_alarm", "sweep"
WALKED = (
    "new-role-accepted", "builder-console", "role-session-name", "sts-endpoint", "ssm-default-key", "lsblk-shows-ebs",
    "alarm-first-transition", "alarm-event-shape", "schedule-starts", "address-kept", "modification-refused",
    "stacks-deleted", "log-group-deleted", "durations",
)  # fmt: skip
"""The assumptions that the stages observe themselves, beside the checks."""

Reporting = Callable[[], AbstractContextManager[building.Reporter]]


@dataclass
class Stages:
    """The walk's work on one cluster. `steps` gets the times of a login's parts."""

    site: Site
    clock: Clock
    reporting: Reporting
    report: Report
    steps: list[tuple[str, float]] = field(default_factory=list)
    _visitor: Visitor | None = None
    _built_in: timedelta = timedelta(0)

    def all(self) -> Sequence[Stage]:
        """In their order, without the removal."""
        return (
            ("up", self.up),
            ("sign-up and login", self.log_in),
            ("first server", self.first_start),
            ("what AWS answers", self.look),
            ("idle stop", self.idle_stop),
            ("second server", self.restart),
            ("idle stop without an alarm", self.idle_stop_by_sweep),
            ("a refusal", self.refusal),
            ("what AWS answers at the end", self.look),
        )

    def up(self) -> Iterator[Observation]:
        """`cloudjhub up`."""
        began = self.clock()
        with self.reporting() as reporter:
            building.build(self.site, reporter)
        self._built_in = self.clock() - began
        yield Observation("new-role-accepted", confirmed("`up` ended at its first try"))
        if not self.site.settings.workers.image:
            yield Observation(
                "builder-console", confirmed("the builder's last line was read, and its image made")
            )

    def log_in(self) -> Iterator[Observation]:
        """A user's account, with the code that `users codes` prints."""
        self._visitor = Visitor(self.site, USER)
        self._visitor.sign_up_and_log_in(sparing(self.report))
        yield Observation(
            "ssm-default-key",
            confirmed("the hub runs with secrets that it read, and took a code made with one"),
        )

    def first_start(self) -> Iterator[Observation]:
        """The user's server on a new machine with a new home disk."""
        self._start("first server")
        self._await_alarm()
        accepted = confirmed("the hub gave the worker its environment, for a proof that STS confirmed")
        yield Observation("role-session-name", accepted)
        yield Observation("sts-endpoint", accepted)

    def look(self) -> Iterator[Observation]:
        """Every check, while the machine runs."""
        yield from observe(Scene(self.site, self.clock(), built=True))

    def idle_stop(self) -> Iterator[Observation]:
        """No user touches the machine: its alarm should end it."""
        by = self._await_stop()
        if by.endswith(ALARM):
            said = confirmed(f"stopped by {by}")
            yield Observation("alarm-first-transition", said)
            yield Observation("alarm-event-shape", said)

    def idle_stop_by_sweep(self) -> Iterator[Observation]:
        """The same without the alarm, which is deleted."""
        name = idle_alarm_name(self.site.cluster, self._worker().instance_id)
        self.site.aws.client("cloudwatch").delete_alarms(AlarmNames=[name])
        by = self._await_stop()
        if by.endswith(SWEEP):
            yield Observation("schedule-starts", confirmed(f"stopped by {by}"))

    def restart(self) -> Iterator[Observation]:
        """The user comes back: the same machine with the same address and home."""
        before = self._places()
        self._start("second server")
        after = self._places()
        yield Observation("address-kept", same_address(before, after), {"before": before, "after": after})
        yield Observation("lsblk-shows-ebs", confirmed("the home was found at two starts"))

    def refusal(self) -> Iterator[Observation]:
        """`homes grow` twice in a row: EC2 refuses the second."""
        home = homes.home_of(self.site, listed_workers(self.site, self.clock()), USER)
        homes.grow(self.site, home, home.size + 1)
        try:
            homes.grow(self.site, home, home.size + 2)
        except Refused as error:
            code = code_of(error.__cause__) if isinstance(error.__cause__, ClientError) else ""
            is_right = code == "IncorrectModificationState"
            said = (
                confirmed("the second, by this code") if is_right else not_observed(f"refused, with {code}")
            )
            yield Observation("modification-refused", said, {"code": code})
        else:
            yield Observation("modification-refused", refuted("EC2 accepted a second change at once"))

    def down(self) -> Iterator[Observation]:
        """`cloudjhub down --with-homes`. Raises LeftOver where something is left."""
        began = self.clock()
        with self.reporting() as reporter:
            removal.remove_workers(self.site, reporter.report_for("workers"), with_homes=True)
            reporter.done("workers")
            building.remove(self.site, reporter)
        left = inventory.of_cluster(self.site)
        if left:
            raise LeftOver(f"left: {', '.join(map(str, left))}")
        took = self.clock() - began
        yield Observation("stacks-deleted", confirmed("`down` left nothing"))
        yield Observation("log-group-deleted", confirmed("`down` left no log group, while functions ran"))
        if self._built_in:
            yield Observation("durations", _durations(self._built_in, took))

    def _start(self, name: str) -> None:
        assert self._visitor is not None
        began, seen = self.clock(), set()
        store = store_of(self.site)

        def note() -> None:
            worker = store.get(USER)
            state = worker.state if worker else None
            if state in (State.PENDING, State.RUNNING) and state not in seen:
                seen.add(state)
                self.steps.append(
                    (f"{name}: until the record is {state}", (self.clock() - began).total_seconds())
                )

        self.steps.append(
            (f"{name}: until the server is ready", self._visitor.start(sparing(self.report), note))
        )

    def _await_alarm(self) -> None:
        """The idle alarm is put a moment after the machine runs; the look that follows judges it."""
        for _ in polls(ALARM_WITHIN):
            if inventory.idle_alarms(self.site):
                return

    def _places(self) -> dict[str, str]:
        """The address of the user's instance as EC2 has it, by its id."""
        found = described(self.site.aws, [self._worker().instance_id])
        return {one["InstanceId"]: one.get("PrivateIpAddress", "") for one in found}

    def _worker(self) -> Worker:
        worker = store_of(self.site).get(USER)
        if worker is None:
            raise StepFailed(f"there is no record of {USER}: see `cloudjhub logs record_state`")
        return worker

    def _await_stop(self) -> str:
        """The function that stopped the machine, as its history says."""
        store = store_of(self.site)
        since, report = self._worker().started_at, sparing(self.report)
        for waited in polls(STOPS_WITHIN):
            if self._worker().state is State.STOPPED:
                break
            report(f"waiting for the idle stop ({waited:.0f} s)")
        else:
            raise StepFailed(f"the machine is still not stopped after {STOPS_WITHIN / 60:.0f} minutes")
        return stopped_by([one for one in store.history(USER) if since is None or one.at >= since])


def stopped_by(entries: Sequence[Entry]) -> str:
    """The function of the newest stop, "" for none that is known; entries newest first. Pure."""
    return next((str(one.evidence.get("function", "")) for one in entries if one.kind is Kind.STOP), "")


def same_address(before: Mapping[str, str], after: Mapping[str, str]) -> Judged:
    """Of instances by their ids, stopped and then started again. Pure."""
    if set(before) != set(after):
        return not_observed("the restart launched another machine")
    return confirmed("the same after a stop and a start") if before == after else refuted("another one")


def _durations(up: timedelta, down: timedelta) -> Judged:
    said = f"`up` {up / timedelta(minutes=1):.0f}, `down` {down / timedelta(minutes=1):.0f} minutes"
    return confirmed(said) if up <= UP_TAKES and down <= DOWN_TAKES else refuted(said)
