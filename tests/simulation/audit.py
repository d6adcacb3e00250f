"""What must never happen, judged by what really happened and not by what the records say."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import State, Worker

SWEEPS = timedelta(minutes=10)
"""Two sweeps."""
PERIOD = timedelta(minutes=1)
MISSED = 3 * PERIOD
"""With the hub down, only reports show activity, and so many may be missing."""
DUPLICATE_KEPT = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not happen, and did."""

    at: datetime
    invariant: str
    words: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:%d %H:%M:%S}: {self.words}"


@dataclass
class Audit:
    """Watches a simulation (`world`)."""

    world: Any
    policy: Policy
    violations: list[Violation] = field(default_factory=list)
    stops: dict[str, int] = field(default_factory=dict)
    removed: int = 0
    """Machines that were removed because they had been stopped for long."""
    late: list[timedelta] = field(default_factory=list)
    """How long after the idle timeout each idle worker was stopped."""

    def on_stop(self, instance_id: str) -> None:
        """StopInstances lands on an instance that runs."""
        machine = self.world.ec2.by_id.get(instance_id)
        if machine is None or machine.state not in (State.RUNNING, State.PENDING):
            return
        record = self.world.store.workers.get(machine.worker)
        is_recorded = record is not None and record.instance_id == instance_id
        reason = (record.stop_reason or "forced") if is_recorded else "duplicate"
        self.stops[reason] = self.stops.get(reason, 0) + 1
        for words in (*self._logins(machine), *self._life(machine, reason)):
            self._found("I1", f"{machine.worker} ({instance_id}) is stopped ({reason}): {words}")

    def on_termination(self, instance_id: str) -> None:
        """TerminateInstances lands: on a machine that no login uses, and whose home EC2 keeps."""
        machine = self.world.ec2.by_id[instance_id]
        self.removed += 1
        if machine.state != State.STOPPED:
            self._found("I10", f"{machine.worker} ({instance_id}) is removed while it is {machine.state}")
        for words in self._logins(machine):
            self._found("I10", f"{machine.worker} ({instance_id}) is removed: {words}")

    def at_rest(self) -> None:
        """After the faults are over and two passes of each schedule went by: machines and records agree."""
        alive = self.world.ec2.alive()
        for key, machines in alive.items():
            if len(machines) > 1:
                self._found("I2", f"{key} has {len(machines)} live instances")
            record = self.world.store.workers.get(key)
            if record is None or record.instance_id not in {one.instance_id for one in machines}:
                self._found("I3", f"{key}: a live instance is in no record")
        for record in self.world.store.workers.values():
            is_up = record.state in (State.PENDING, State.RUNNING)
            if is_up and record.key not in alive and not self._is_reported(record):
                self._found("I3", f"{record.key}: the record says {record.state}, and no instance is")
        for key, volumes in self.world.ec2.homes().items():
            record = self.world.store.workers.get(key)
            if len(volumes) > 1:
                self._found("I10", f"{key} has {len(volumes)} homes")
            elif (
                record is not None
                and record.home_volume is None
                and self.world.ec2.volumes[volumes[0]] is None
            ):
                continue  # a new machine of the worker takes it
            elif record is not None and record.home_volume not in volumes:
                self._found("I10", f"{key}: the record has {record.home_volume}, the home is {volumes}")
        for key, since in self.world.pending_since().items():
            if self.world.now() - since > timedelta(minutes=20):
                self._found("I7", f"{key} is pending since {since}")

    def in_time(self) -> None:
        """While nothing fails: no idle machine is up for longer than allowed."""
        now = self.world.now()
        for process in self.world.workers.by_instance.values():
            if not process.machine.is_alive:
                continue
            life = process.life.last_life(now)
            since = max(filter(None, (life, process.machine.launched_at)))
            overdue = now - max(since, self.world.faults_ended) - self.policy.idle_timeout
            if overdue > SWEEPS + 2 * PERIOD and not process.life.is_busy(now):
                self._found("I6", f"{process.machine.worker} is idle since {since}, and not stopped")

    def _is_reported(self, record: Worker) -> bool:
        """Has the administrator been told that EC2 does not list its instance? Then its record is kept: nothing
        could be recorded in the hour for which EC2 shows a terminated one.
        """
        return any(
            entry.reason == "undescribed" and entry.instance_id == record.instance_id
            for entry in self.world.store.history(record.key)
        )

    def _logins(self, machine: Any) -> Iterator[str]:
        hub = self.world.hub
        if hub is None or hub.adopted.get(machine.worker) != machine.instance_id:
            return
        spawner = hub.spawners.get(machine.worker)
        if spawner is None or spawner.is_released:
            return
        if spawner.given_up == machine.instance_id:
            return
        if spawner.is_starting or spawner.ready:
            yield f"a login was let through ({spawner.pending or 'ready'})"

    def _life(self, machine: Any, reason: str) -> Iterator[str]:
        process = self.world.workers.by_instance.get(machine.instance_id)
        if process is None:
            return
        now = self.world.now()
        missed = MISSED if self.world.was_hub_down(within=timedelta(minutes=3)) else timedelta()
        unseen = missed and missed + PERIOD
        person, life = process.life.last_interaction(now - unseen), process.life.last_life(now - unseen)
        match reason:
            case "stop-requested" | "forced":
                return
            case "busy-too-long" | "mute":
                allowed, seen = self.policy.busy_allowance or timedelta(days=1), person
            case "no-server":
                allowed, seen = self.policy.start_grace, life
            case "hung":
                allowed, seen = self.policy.hung_after, life
            case "duplicate":
                allowed, seen = DUPLICATE_KEPT, life
            case _:
                allowed, seen = self.policy.idle_timeout, life
        pressed = self.world.stop_pressed.get(machine.worker)
        if pressed is not None and (person is None or person <= pressed):
            return
        if seen is not None and now - seen < allowed - missed:
            yield f"there was life {now - seen} ago"
        elif reason in ("idle", "never-connected"):
            began = max(filter(None, (seen, machine.launched_at)))
            self.late.append(now - began - self.policy.idle_timeout)

    def _found(self, invariant: str, words: str) -> None:
        self.violations.append(Violation(self.world.now(), invariant, words))
