"""The removal of root disks: which stopped machine is due, what forbids it, and what becomes of the record."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lifecycle_app.adapters.hub_client import DrainAnswer
from lifecycle_app.contract import Drain
from lifecycle_app.errors import CloudError, TerminationRejected
from lifecycle_app.model.events import StateChange
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import text
from lifecycle_app.model.removal import Attached, Described, is_due, obstacle
from lifecycle_app.model.transitions import LEASE, with_removal
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import reconcile, record_state, remove_stopped, sweep
from lifecycle_app.use_cases.removal import MOST_A_RUN
from tests.lifecycle.examples import ALICE, HOUR, MINUTE, NOON, SECOND, a_worker, an_instance
from tests.lifecycle.fakes import World

KEPT = timedelta(hours=12)
HOME = "vol-home"
ROOT = Attached(volume="vol-root", is_root=True, goes_with_instance=True)
HOME_DISK = Attached(volume=HOME)


def stopped(**changes: Any) -> Worker:
    """Alice's worker, with a home disk, stopped for exactly the time that root disks are kept."""
    facts: dict[str, Any] = {
        "state": State.STOPPED,
        "state_at": NOON - KEPT,
        "started_at": None,
        "due_at": None,
        "home_volume": HOME,
        "stop_reason": "idle",
    }
    return a_worker(**(facts | changes))


def staged(**changes: Any) -> World:
    world = World()
    world.store.put(stopped(**changes), NOON)
    world.cloud.add(an_instance(state=State.STOPPED, home_volume=HOME))
    return world


def run(world: World, root_kept: timedelta | None = KEPT) -> dict[str, int]:
    return remove_stopped(world.service, root_kept, lambda: True)


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({}, True),
        ({"state_at": NOON - KEPT + SECOND}, False),
        ({"state": State.RUNNING}, False),
        ({"state": State.STOPPING}, False),
        ({"state": State.PENDING}, False),
        ({"state": State.TERMINATED}, False),
        ({"home_volume": None}, False),
        ({"home_attached": False}, False),
        ({"keep_until": NOON + SECOND}, False),
        ({"keep_until": NOON}, True),
    ],
)
def test_only_a_machine_that_was_stopped_long_ago_and_has_a_home_disk_is_due(
    changes: dict[str, Any], due: bool
) -> None:
    assert is_due(stopped(**changes), KEPT, NOON) is due
    assert run(staged(**changes)) == ({"removed": 1} if due else {})


DISKS: dict[str, tuple[tuple[Attached, ...], str]] = {
    "home kept": ((ROOT, HOME_DISK), ""),
    "home kept, and another disk": ((ROOT, HOME_DISK, Attached(volume="vol-more")), ""),
    "home kept, and a copy of a backup": (
        (ROOT, HOME_DISK, Attached(volume="vol-copy", goes_with_instance=True, is_backup=True)),
        "",
    ),
    "home is a copy of a backup": (
        (ROOT, replace(HOME_DISK, goes_with_instance=True, is_backup=True)),
        "is not attached to it",
    ),
    "no home": ((ROOT,), "is not attached to it"),
    "another home": ((ROOT, Attached(volume="vol-other")), "is not attached to it"),
    "home is the root disk": ((replace(ROOT, volume=HOME),), "is not attached to it"),
    "home is being attached": ((ROOT, replace(HOME_DISK, is_attached=False)), "is being attached"),
    "home goes with it": ((ROOT, replace(HOME_DISK, goes_with_instance=True)), "DeleteOnTermination"),
    "another disk goes with it": (
        (ROOT, HOME_DISK, Attached(volume="vol-more", goes_with_instance=True)),
        "vol-more would be deleted",
    ),
}


@pytest.mark.parametrize("which", DISKS)
def test_nothing_is_terminated_whose_home_would_not_survive(which: str) -> None:
    disks, why = DISKS[which]
    world = staged()
    world.cloud.disks[ALICE] = disks
    before = world.record()
    assert run(world) == ({"not-removed": 1} if why else {"removed": 1})
    assert world.cloud.terminations == ([] if why else [ALICE])
    if why:
        assert world.record() == before, "it is not even claimed"
        (entry,) = world.store.history("alice")
        assert why in text(entry.message)
        assert run(world) == {"not-removed": 1}
        assert len(world.store.history("alice")) == 1, "reported once for each stop"


@pytest.mark.parametrize(
    "changes",
    [
        {"state": State.RUNNING},
        {"state": State.PENDING},
        {"state": State.TERMINATED},
        {"key": "bob"},
        {"cluster": "other"},
    ],
)
def test_what_ec2_says_outweighs_the_record(changes: dict[str, Any]) -> None:
    world = staged()
    world.cloud.add(replace(an_instance(state=State.STOPPED, home_volume=HOME), **changes))
    run(world)
    assert world.cloud.terminations == []
    described = Described(instance=world.cloud.instances[ALICE], disks=(ROOT, HOME_DISK))
    assert obstacle(stopped(), described, "test")
    assert obstacle(stopped(), None, "test")


def test_what_remains_is_a_record_without_a_machine_but_with_the_home() -> None:
    world = staged()
    assert run(world) == {"removed": 1}
    after = world.record()
    assert (after.state, after.home_volume, after.zone) == (State.TERMINATED, HOME, "us-east-1a")
    assert (after.claimed_until, after.removing, after.due_at) == (None, False, None)
    assert text(after.message) == "removed after 12 hours without a login; the home directory is kept"
    (entry,) = world.store.history("alice")
    assert (entry.kind, entry.reason, entry.evidence["home_volume"]) == (Kind.REMOVAL, "removed", HOME)
    assert run(world) == {}


def test_never_is_never() -> None:
    world = staged(state_at=NOON - 1000 * KEPT)
    assert run(world, None) == {}
    assert world.cloud.terminations == []


def test_the_hub_is_asked_under_the_claim_for_servers_since_the_stop() -> None:
    world = staged()
    seen: list[Worker] = []

    def answers(_worker: Worker, _mode: Drain) -> DrainAnswer:
        seen.append(world.record())
        return DrainAnswer(True, "released")

    world.hub.answers = answers
    run(world)
    assert world.hub.asked == [("alice", Drain.REGARDLESS, NOON - KEPT)]
    assert [(one.state, one.removing, one.is_claimed(NOON)) for one in seen] == [(State.STOPPING, True, True)]


@pytest.mark.parametrize("how", ["refuses", "is down", "is odd"])
def test_without_the_hubs_consent_all_stays_as_it_was(how: str) -> None:
    world = staged()
    before = world.record()
    world.hub.is_down, world.hub.is_odd = how == "is down", how == "is odd"
    world.hub.answers = lambda _worker, _mode: DrainAnswer(False, "the user's server is pending spawn")
    assert run(world) == {"refused": 1}
    assert world.cloud.terminations == []
    assert replace(world.record(), version=before.version, changed_at=before.changed_at) == before


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED])
def test_what_ec2_reports_during_the_claim_does_not_end_it_and_is_not_forgotten(state: State) -> None:
    """Someone has started it meanwhile: the claim ends when its holder gives it up, and then EC2 is asked."""
    world = staged()
    record_during: list[Worker] = []

    def answers(_worker: Worker, _mode: Drain) -> DrainAnswer:
        record_state(world.service, StateChange(ALICE, state, NOON), NOON)
        record_during.append(world.record())
        return DrainAnswer(False, "the user's server is pending spawn")

    world.hub.answers = answers
    world.cloud.set_state(ALICE, State.STOPPED)
    assert run(world) == {"refused": 1}
    assert record_during[0].is_claimed(NOON)
    assert world.record().is_abandoned(NOON)
    world.cloud.set_state(ALICE, State.RUNNING)
    world.now = NOON + 2 * MINUTE
    reconcile(world.service, world.now, lambda: True)
    assert (world.record().state, world.record().claimed_until) == (State.RUNNING, None)


def test_what_ec2_refuses_to_terminate_is_released_and_reported() -> None:
    world = staged()
    world.cloud.termination_error = TerminationRejected("TerminateInstances", "OperationNotPermitted", "no")
    assert run(world) == {"not-removed": 1}
    assert (world.record().state, world.record().removing) == (State.STOPPED, False)
    assert world.store.told("alice") == ["not-removed"]


def test_where_it_is_unknown_what_ec2_did_the_claim_is_kept() -> None:
    world = staged()
    world.cloud.termination_error = CloudError("TerminateInstances", "NoAnswer", "read timeout")
    assert run(world) == {"removal-unknown": 1}
    assert world.record().is_claimed(NOON)
    world.now = NOON + LEASE
    assert run(world) == {}


@pytest.mark.parametrize("state", [State.STOPPED, State.TERMINATED, State.RUNNING])
def test_an_abandoned_removal_is_not_decided_about_and_reconciled_with_ec2(state: State) -> None:
    world = staged()
    world.store.put(with_removal(world.record(), "removed", world.record().message, NOON), NOON)
    world.cloud.set_state(ALICE, state)
    world.now = NOON + LEASE + MINUTE
    assert sweep(world.service, lambda: True) == {"not-running": 1}
    assert world.cloud.stops == []
    reconcile(world.service, world.now, lambda: True)
    assert (world.record().state, world.record().removing) == (state, False)


def test_if_ec2_cannot_be_asked_the_run_goes_on_with_the_next_one() -> None:
    world = staged()
    world.store.put(stopped(key="bob", instance_id="i-0b0b", state_at=NOON - KEPT - HOUR), NOON)
    world.cloud.add(an_instance(key="bob", instance_id="i-0b0b", state=State.STOPPED, home_volume=HOME))
    described = world.cloud.described

    def sometimes(instance_id: str) -> Described | None:
        if instance_id == ALICE and world.record().removing:
            raise CloudError("DescribeInstances", "InternalError", "later")
        return described(instance_id)

    world.cloud.described = sometimes  # type: ignore[method-assign]
    assert run(world) == {"removed": 1, "failed": 1}
    assert world.record().state is State.STOPPED, "its claim is released"


def test_a_run_removes_so_many_and_leaves_the_rest_to_the_next_one() -> None:
    world = World()
    for number in range(MOST_A_RUN + 3):
        key, one = f"user{number}", f"i-{number:017x}"
        world.store.put(stopped(key=key, instance_id=one, state_at=NOON - KEPT - number * SECOND), NOON)
        world.cloud.add(an_instance(key=key, instance_id=one, state=State.STOPPED, home_volume=HOME))
    assert run(world) == {"removed": MOST_A_RUN, "left": 3}
    assert {"user0", "user1", "user2"}.isdisjoint(
        key for key, worker in world.store.workers.items() if worker.state is State.TERMINATED
    ), "those stopped longest come first"
    assert run(world) == {"removed": 3}
    assert remove_stopped(world.service, KEPT, lambda: False) == {}


def test_a_run_ends_before_its_time_is_over() -> None:
    world = staged()
    assert remove_stopped(world.service, KEPT, lambda: False) == {"left": 1}
    assert world.cloud.terminations == []
