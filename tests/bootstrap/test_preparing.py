"""Machines made ahead: one for each user, booted once and stopped, and never taken from a user who has logged in."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from bootstrap.operations.workers.boots import Boot
from bootstrap.operations.workers.hub_launches import last_release
from bootstrap.operations.workers.preparation import (
    BOOTS_WITHIN,
    INTERRUPTED,
    POLL_EVERY,
    NotLaunched,
    Outcome,
    Preparation,
    Prepared,
    Wanted,
    verdict,
)
from bootstrap.operations.workers.stopping import STOPS_WITHIN
from hub.errors import CloudBusy, NoCapacity, QuotaReached, RecordUnusable, StartError
from hub.spawn.backups import Backups
from hub.spawn.instances import Homes, Instances
from hub.spawn.launcher import Launcher
from hub.spawn.protocol import StartProtocol
from hub.users.handlers import refusal as as_sent
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import plain
from lifecycle_app.model.worker import State, Worker
from tests.hub.fakes import MEDIUM, NOON, SETTINGS, Clock, FakeEC2, FakeStore, calls, refusal, worker

RUNS_AFTER, PASSES_AFTER, STOPS_AFTER = 10.0, 60.0, 5.0


class FakeCloud:
    """Machines that run 10 s after their launch, pass EC2's checks 50 s later, and stop 5 s after that is asked for."""

    def __init__(self) -> None:
        self.time = 0.0
        self.launched: dict[str, float] = {}
        self.asked: dict[str, float] = {}
        self.had: set[str] = set()
        self.refuse: dict[str, NotLaunched] = {}
        self.homes_lost: set[str] = set()
        self.in_use: set[str] = set()
        """Their users have logged in, so that the hub does not release them."""
        self.unrecorded: set[str] = set()
        self.failing: set[str] = set()
        self.most_at_once = 0
        self.turns = 0
        self.at: list[tuple[float, Callable[[], object]]] = []
        self.silences = 0
        self.earlier: dict[str, Worker] = {}
        """Records of machines that are gone, until the new ones run."""

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.time += seconds / 10  # several wait at the same time
        for when, do in [one for one in self.at if one[0] <= self.time]:
            self.at.remove((when, do))
            do()

    def clock(self) -> float:
        return self.time

    async def turn(self) -> None:
        self.turns += 1
        await asyncio.sleep(0)

    async def launch(self, key: str) -> str | None:
        if key in self.refuse:
            raise self.refuse[key]
        if key in self.had:
            return None
        assert key not in self.launched, "a second machine"
        self.launched[key] = self.time
        self.most_at_once = max(self.most_at_once, len(self.up()))
        return f"i-{key}"

    def up(self) -> set[str]:
        return {key for key in self.launched if self.state(key) is not State.STOPPED}

    def state(self, key: str) -> State:
        if key in self.asked and key not in self.in_use and self.time >= self.asked[key] + STOPS_AFTER:
            return State.STOPPED
        return State.RUNNING if self.time >= self.launched[key] + RUNS_AFTER else State.PENDING

    async def home(self, instance_id: str) -> None:
        if instance_id in self.homes_lost:
            raise NotLaunched("the home is elsewhere")

    async def boot(self, instance_id: str) -> Boot:
        key = instance_id.removeprefix("i-")
        if self.time < self.launched[key] + PASSES_AFTER:
            return Boot.BEGUN
        return Boot.FAILED if key in self.failing else Boot.PASSED

    async def record(self, key: str) -> Worker | None:
        self.silences -= 1
        if self.silences >= 0:
            raise StoreUnavailable("no answer")
        if key in self.unrecorded or key not in self.launched:
            return None
        began = NOON + timedelta(seconds=self.launched[key] + RUNS_AFTER)
        state = self.state(key)
        if key in self.earlier and state is State.PENDING:
            return self.earlier[key]
        record = worker(key=key, instance_id=f"i-{key}", state=state)
        if state is State.RUNNING:
            record = replace(record, started_at=began)
        return record

    async def given_up(self, record: Worker) -> Entry | None:
        is_refused = record.key in self.asked and record.key in self.in_use
        return release(record, "refused", "not stopped: the server is pending spawn") if is_refused else None

    async def ask_to_stop(self, record: Worker) -> None:
        assert record.state is State.RUNNING, "EC2 would not stop it"
        self.asked[record.key] = self.time


def release(record: Worker, why: str, words: str) -> Entry:
    return Entry(
        key=record.key,
        at=NOON,
        kind=Kind.RELEASE,
        reason="stop-requested",
        message=plain(words),
        instance_id=record.instance_id,
        evidence={"why": why},
    )


class Deaf(FakeCloud):
    """No function receives the requests for a stop."""

    async def ask_to_stop(self, record: Worker) -> None:
        pass


def preparation(cloud: FakeCloud, at_once: int = 20, told: list[str] | None = None) -> Preparation:
    tell = (told if told is not None else []).append
    return Preparation(cloud, at_once, tell, turn=cloud.turn, pause=cloud.pause, clock=cloud.clock)


async def prepare(cloud: FakeCloud, *keys: str, at_once: int = 20) -> dict[str, Prepared]:
    done = await preparation(cloud, at_once).run([Wanted(key=key) for key in keys])
    return {one.key: one for one in done}


def outcomes(done: dict[str, Prepared]) -> dict[str, Outcome]:
    return {key: one.outcome for key, one in done.items()}


async def test_each_is_launched_booted_and_stopped() -> None:
    cloud = FakeCloud()
    done = await prepare(cloud, "ada", "bob")
    assert done["ada"] == Prepared(key="ada", instance_id="i-ada", outcome=Outcome.STOPPED)
    assert outcomes(done) == {"ada": Outcome.STOPPED, "bob": Outcome.STOPPED}
    assert not cloud.up()
    assert all(cloud.asked[key] >= cloud.launched[key] + PASSES_AFTER for key in done), "booted before"


async def test_so_many_and_no_more_run_at_the_same_time() -> None:
    cloud = FakeCloud()
    done = await prepare(cloud, *(f"user{n}" for n in range(12)), at_once=3)
    assert set(outcomes(done).values()) == {Outcome.STOPPED}
    assert cloud.most_at_once == 3
    assert cloud.turns == 12, "each launch waits for its turn"


async def test_whoever_has_logged_in_keeps_the_machine() -> None:
    cloud = FakeCloud()
    cloud.in_use.add("ada")
    done = await prepare(cloud, "ada", "bob")
    assert outcomes(done) == {"ada": Outcome.IN_USE, "bob": Outcome.STOPPED}
    assert done["ada"].message == "not stopped: the server is pending spawn"
    assert cloud.up() == {"ada"}


async def test_whoever_has_got_a_machine_meanwhile_is_left_alone() -> None:
    cloud = FakeCloud()
    cloud.had.add("ada")
    assert outcomes(await prepare(cloud, "ada")) == {"ada": Outcome.HAS_ONE}
    assert not cloud.asked


def refused(kind: type[StartError], code: str = "") -> NotLaunched:
    """The error as the hub sends it."""
    error = kind("words for a user")
    error.__cause__ = refusal(code) if code else None
    sent = as_sent(error)
    return NotLaunched(sent["message"], label=sent["label"], code=sent["code"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused(QuotaReached, "VcpuLimitExceeded"), "ask AWS for more vCPUs"),
        (refused(NoCapacity, "InsufficientInstanceCapacity"), "try again later"),
        (refused(NoCapacity, "InsufficientFreeAddressesInSubnet"), "the subnet is full"),
    ],
)
async def test_what_all_would_be_refused_ends_the_launching_and_finishes_what_runs(
    error: NotLaunched, words: str
) -> None:
    cloud = FakeCloud()
    cloud.refuse["bob"] = error
    done = await prepare(cloud, "ada", "bob", "cleo", "dan", at_once=2)
    assert outcomes(done) == {
        "ada": Outcome.STOPPED,
        "bob": Outcome.NOT_LAUNCHED,
        "cleo": Outcome.NOT_LAUNCHED,
        "dan": Outcome.NOT_LAUNCHED,
    }
    assert set(cloud.launched) == {"ada"}
    assert len({done[key].message for key in ("bob", "cleo", "dan")}) == 1, "one line for all"
    assert words in done["bob"].message


@pytest.mark.parametrize("error", [refused(CloudBusy), refused(RecordUnusable)])
async def test_what_one_is_refused_keeps_no_other_waiting(error: NotLaunched) -> None:
    cloud = FakeCloud()
    cloud.refuse["ada"] = error
    done = await prepare(cloud, "ada", "bob", at_once=1)
    assert outcomes(done) == {"ada": Outcome.NOT_LAUNCHED, "bob": Outcome.STOPPED}


async def test_the_zone_of_an_old_home_is_its_owners_trouble_alone() -> None:
    cloud = FakeCloud()
    cloud.refuse["ada"] = refused(NoCapacity, "InsufficientInstanceCapacity")
    done = await preparation(cloud, 1).run([Wanted(key="ada", home_volume="vol-1"), Wanted(key="bob")])
    assert [one.outcome for one in done] == [Outcome.NOT_LAUNCHED, Outcome.STOPPED]


async def test_a_failed_check_is_a_boot_too() -> None:
    cloud = FakeCloud()
    cloud.failing.add("ada")
    assert outcomes(await prepare(cloud, "ada")) == {"ada": Outcome.STOPPED}


async def test_what_runs_without_a_record_is_reported_in_the_end() -> None:
    cloud = FakeCloud()
    cloud.unrecorded.add("ada")
    done = await prepare(cloud, "ada")
    assert done["ada"].outcome is Outcome.RUNNING
    assert "no record" in done["ada"].message
    assert BOOTS_WITHIN <= cloud.time < BOOTS_WITHIN + POLL_EVERY


async def test_a_stop_that_is_not_confirmed_is_reported_in_the_end() -> None:
    cloud = Deaf()
    one = preparation(cloud)
    [done] = await one.run([Wanted(key="ada")])
    assert done.outcome is Outcome.RUNNING
    assert "stop_requested" in done.message
    assert one.running == {"ada": "i-ada"}
    assert cloud.time >= STOPS_WITHIN


async def test_a_home_that_is_not_attached_is_reported() -> None:
    cloud = FakeCloud()
    cloud.homes_lost.add("i-ada")
    done = await prepare(cloud, "ada", "bob")
    assert outcomes(done) == {"ada": Outcome.RUNNING, "bob": Outcome.STOPPED}
    assert "the home is elsewhere" in done["ada"].message


async def test_records_that_are_silent_for_a_while_stop_no_machine_and_lose_no_user() -> None:
    cloud = FakeCloud()
    cloud.silences = 40
    assert outcomes(await prepare(cloud, "ada", "bob")) == {"ada": Outcome.STOPPED, "bob": Outcome.STOPPED}


async def test_interrupted_it_launches_no_more_and_stops_what_runs_without_waiting_for_the_checks() -> None:
    cloud = FakeCloud()
    told: list[str] = []
    one = preparation(cloud, 2, told)
    task = asyncio.ensure_future(one.run([Wanted(key=key) for key in ("ada", "bob", "cleo")]))
    cloud.at.append((RUNS_AFTER / 2, task.cancel))
    done = await task
    assert [one.outcome for one in done] == [Outcome.STOPPED, Outcome.STOPPED, Outcome.NOT_LAUNCHED]
    assert done[2].message == INTERRUPTED
    assert not cloud.up()
    assert max(cloud.asked.values()) < PASSES_AFTER
    assert one.running == {}
    assert any("stopping the 2 that run" in line for line in told)


async def test_interrupted_while_it_launches_it_does_not_forget_that_machine() -> None:
    cloud = FakeCloud()
    one = preparation(cloud, 1)
    task = asyncio.ensure_future(one.run([Wanted(key="ada"), Wanted(key="bob")]))
    launch = cloud.launch

    async def interrupted_launch(key: str) -> str | None:
        task.cancel()
        await asyncio.sleep(0)
        return await launch(key)

    cloud.launch = interrupted_launch  # type: ignore[method-assign]
    done = await task
    assert [one.outcome for one in done] == [Outcome.STOPPED, Outcome.NOT_LAUNCHED]


async def test_the_record_of_an_earlier_machine_says_nothing_of_the_new_one() -> None:
    cloud = FakeCloud()
    cloud.earlier["ada"] = worker("ada", State.TERMINATED, instance_id="i-old", home_volume="vol-1")
    done = await prepare(cloud, "ada")
    assert outcomes(done) == {"ada": Outcome.STOPPED}
    assert cloud.asked["ada"] >= PASSES_AFTER


BEFORE = worker(state=State.RUNNING, started_at=NOON)


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        (BEFORE, None),
        (replace(BEFORE, decided="starting"), None),
        (replace(BEFORE, state=State.STOPPING, claimed_until=NOON), None),
        (replace(BEFORE, state=State.STOPPED, started_at=None), Outcome.STOPPED),
        (replace(BEFORE, state=State.PENDING, started_at=None), Outcome.IN_USE),
        (replace(BEFORE, started_at=NOON + timedelta(seconds=1)), Outcome.IN_USE),
        (replace(BEFORE, state=State.TERMINATED), Outcome.NOT_LAUNCHED),
    ],
)
def test_what_a_record_shows_of_the_stop(now: Worker, outcome: Outcome | None) -> None:
    told = verdict(BEFORE, now, None)
    assert (told and told[0]) == outcome


@pytest.mark.parametrize(("why", "outcome"), [("refused", Outcome.IN_USE), ("hub-down", Outcome.RUNNING)])
def test_a_stop_that_was_given_up_is_known_though_a_sweep_has_decided_since(
    why: str, outcome: Outcome
) -> None:
    told = verdict(BEFORE, replace(BEFORE, decided="starting"), release(BEFORE, why, "words"))
    assert told
    assert told[0] is outcome
    assert told[1].startswith("not stopped: words")


def test_the_last_release_is_of_this_machine_and_of_a_stop_that_was_asked_for() -> None:
    ours = release(BEFORE, "refused", "ours")
    others = [
        replace(ours, instance_id="i-other"),
        replace(ours, reason="idle"),
        replace(ours, kind=Kind.STOP),
    ]
    assert last_release([*others, ours, replace(ours, message=plain("older"))], BEFORE.instance_id) == ours
    assert last_release(others, BEFORE.instance_id) is None


# -- the launch itself: the hub's own code, on one EC2


class Side:
    """The hub, or the operator, each with its own parts, on the same EC2 and the same records."""

    def __init__(self, ec2: FakeEC2, store: FakeStore) -> None:
        self.clock = Clock()
        run = calls(self.clock)
        client = cast(Any, ec2)
        seen = Instances(client, run, SETTINGS, window=0.001)
        self.startup = StartProtocol(
            store.get,
            run,
            Launcher(client, run),
            seen,
            Homes(seen),
            SETTINGS,
            self.now,
            self.image,
            Backups(client, run, SETTINGS),
        )

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.clock.time)

    async def image(self) -> str:
        return SETTINGS.image

    async def log_in(self, key: str) -> str:
        return (await self.startup.bring_up(key, MEDIUM, lambda _: None, lambda _: None)).instance_id

    async def launch(self, key: str) -> str | None:
        known = await self.startup.launch_if_none(key, MEDIUM, lambda _: None)
        return known.instance_id if known else None


def tokens(ec2: FakeEC2) -> Sequence[str]:
    return [asked["ClientToken"] for operation, asked in ec2.asked if operation == "RunInstances"]


async def test_a_login_of_the_same_moment_and_the_preparation_get_one_machine() -> None:
    """Both have looked before either launches; EC2 tells them apart by nothing."""
    ec2, store = FakeEC2(), FakeStore()
    hub, operator = Side(ec2, store), Side(ec2, store)
    mine, theirs = await asyncio.gather(hub.log_in("ada"), operator.launch("ada"))
    assert mine == theirs == "i-00000001"
    assert len(tokens(ec2)) == 2, "or the case is none"
    assert len(set(tokens(ec2))) == 1
    assert len(ec2.by_id) == 1


async def test_the_machine_of_a_login_before_is_found_by_its_tags() -> None:
    ec2, store = FakeEC2(), FakeStore()
    await Side(ec2, store).log_in("ada")
    assert await Side(ec2, store).launch("ada") is None
    assert len(tokens(ec2)) == 1


@pytest.mark.parametrize("state", [one for one in State if one is not State.TERMINATED])
async def test_a_recorded_machine_in_whatever_live_state_is_left_alone(state: State) -> None:
    ec2 = FakeEC2()
    assert await Side(ec2, FakeStore(worker("ada", state))).launch("ada") is None
    assert ec2.asked == []


async def test_a_terminated_one_is_followed_by_one_with_the_old_home() -> None:
    ec2 = FakeEC2()
    old = worker("ada", State.TERMINATED, home_volume="vol-1", home_attached=False)
    assert await Side(ec2, FakeStore(old)).launch("ada") == "i-00000001"
    [asked] = [asked for operation, asked in ec2.asked if operation == "RunInstances"]
    assert [one["DeviceName"] for one in asked["BlockDeviceMappings"]] == ["/dev/sda1"], "and no new one"


@pytest.mark.parametrize("times", [1, 5])
async def test_throttling_is_waited_out(times: int) -> None:
    ec2 = FakeEC2()
    ec2.refuse["RunInstances"] = [refusal("RequestLimitExceeded") for _ in range(times)]
    assert await Side(ec2, FakeStore()).launch("ada") == "i-00000001"
    assert len(set(tokens(ec2))) == 1


async def test_another_zone_is_tried_where_there_is_no_capacity() -> None:
    ec2 = FakeEC2()
    ec2.refuse["RunInstances"] = [refusal("InsufficientInstanceCapacity")]
    assert await Side(ec2, FakeStore()).launch("ada") == "i-00000001"
    first, second = [asked["SubnetId"] for operation, asked in ec2.asked if operation == "RunInstances"]
    assert first != second
