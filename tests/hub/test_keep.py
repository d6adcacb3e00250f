"""A user's request to keep the machine: what it answers, whatever the record does meanwhile; and who may send it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from hub.clients.lifecycle import ANSWERED_WITHIN, KeepRequests, keep_entry
from hub.clients.policies import Policies
from hub.errors import KeepNotSent
from hub.keep.answer import MESSAGES, Answer, as_json, first_answer, later_answer
from hub.keep.asking import MOST, WITHIN, Keeps
from hub.keep.terms import terms
from hub.spawn.parts import PendingKeep, ServerInstance
from lifecycle_app.contract import KeepRefusal, Level, Signal, keep_seconds
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import State, Worker
from tests.hub.fakes import NOON, FakeStore, calls, refusal, worker
from tests.hub.test_lifecycle import FakeEvents

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
CLAIMED = worker(state=State.STOPPING, claimed_until=NOON + timedelta(minutes=5))
ACCEPTED = worker(state=State.STOPPING)


@pytest.mark.parametrize(
    ("record", "has_refused", "is_late"),
    [
        (worker(), False, False),
        (CLAIMED, False, True),
        (CLAIMED, True, False),
        (ACCEPTED, True, True),
        (worker(state=State.STOPPED), True, True),
        (worker(instance_id="i-00000002"), False, True),
        (None, False, True),
    ],
)
def test_a_claim_that_is_there_first_wins(record: Worker | None, has_refused: bool, is_late: bool) -> None:
    """Unless its drain was refused because of the request, which then goes on."""
    found = first_answer(record, "i-00000001", has_refused=has_refused)
    assert found == (Answer(refused=KeepRefusal.TOO_LATE) if is_late else None)


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (worker(keep_request="r", keep_until=NOON), Answer(kept_until=NOON)),
        (worker(keep_request="r"), Answer()),
        (worker(keep_request="r", keep_refusal="too-long"), Answer(refused=KeepRefusal.TOO_LONG)),
        (worker(keep_request="r", keep_refusal="invented"), Answer(refused=KeepRefusal.NOT_ALLOWED)),
        (worker(keep_request="an earlier one", keep_until=NOON), None),
        (CLAIMED, None),
        (replace(CLAIMED, keep_request="r", keep_until=NOON), Answer(kept_until=NOON)),
        (ACCEPTED, Answer(refused=KeepRefusal.TOO_LATE)),
        (worker(state=State.STOPPED), Answer(refused=KeepRefusal.TOO_LATE)),
        (worker(instance_id="i-00000002", keep_request="r"), Answer(refused=KeepRefusal.TOO_LATE)),
        (None, Answer(refused=KeepRefusal.TOO_LATE)),
    ],
)
def test_only_the_record_confirms(record: Worker | None, answer: Answer | None) -> None:
    assert later_answer(record, "i-00000001", "r") == answer


@pytest.mark.parametrize("sent", [None, [], {}, {"seconds": "60"}, {"seconds": True}, {"seconds": 1.5}])
def test_a_body_without_seconds_is_refused(sent: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        keep_seconds(sent)


def test_seconds_are_bounded() -> None:
    assert (keep_seconds({"seconds": 0}), keep_seconds({"seconds": 31622400})) == (0, 31622400)
    for seconds in (-1, 31622401):
        with pytest.raises(ValueError, match="from 0 to 31622400"):
            keep_seconds({"seconds": seconds})


def test_what_a_page_is_told() -> None:
    assert as_json(Answer(kept_until=NOON), HOUR) == {"kept_until": NOON.timestamp()}
    assert as_json(Answer(), HOUR) == {"kept_until": None}, "the keep has ended"
    told = as_json(Answer(refused=KeepRefusal.TOO_LONG), 4 * HOUR)
    assert told["refused"] == "too-long"
    assert told["message"] == "You can keep your machine running for 4 hours at most. Choose a shorter time."
    assert as_json(Answer(refused=KeepRefusal.TOO_LONG), timedelta(0))["refused"] == "not-allowed"
    assert set(MESSAGES) == set(KeepRefusal)


@dataclass
class Lifecycle:
    """The lifecycle app: answers what was sent into the record, after as many readings as a test says."""

    store: FakeStore
    answer: Callable[[Worker, str], Worker]
    after: int = 0
    sent: list[tuple[Any, ...]] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)

    async def send(self, key: str, instance_id: str, request: str, seconds: int, by: str, at: Any) -> None:
        self.sent.append((key, instance_id, seconds, by, at))
        self.request = request
        self.requests.add(request)

    def get(self, key: str) -> Worker | None:
        """The record; answered only now, so that nothing may be confirmed before it is read."""
        found = self.store.get(key)
        if self.sent and found is not None:
            self.after -= 1
            if self.after < 0:
                self.store.workers[key] = found = self.answer(found, self.request)
        return found


def granted(record: Worker, request: str) -> Worker:
    return replace(record, keep_request=request, keep_until=NOON + HOUR)


def a_spawner(**more: Any) -> Any:
    known = {
        "key": "ada",
        "name": "",
        "user": SimpleNamespace(name="ada"),
        "active": True,
        "pending": None,
        "instance": ServerInstance(id="i-00000001"),
        "keep": None,
    }
    return SimpleNamespace(**(known | more))


def keeps(app: Any, now: Callable[[], Any] = lambda: NOON) -> Keeps:
    return Keeps(app.get, app, calls(), now)


async def test_a_keep_is_confirmed_by_the_record_and_not_before() -> None:
    spawner, app = a_spawner(), Lifecycle(FakeStore(worker()), granted, after=7)
    assert await keeps(app).ask(spawner, 3600, "ada") == Answer(kept_until=NOON + HOUR)
    assert app.after == -1
    assert app.sent == [("ada", "i-00000001", 3600, "ada", NOON)] * 2
    assert len(app.requests) == 1, "the second time as the same request"
    assert spawner.keep is None


async def test_it_is_pending_from_before_the_record_is_read_until_the_answer() -> None:
    spawner, seen = a_spawner(), []
    app = Lifecycle(FakeStore(worker()), granted, after=2)
    get = app.get

    def watched(key: str) -> Worker | None:
        seen.append(spawner.keep)
        return get(key)

    app.get = watched  # type: ignore[method-assign]
    await keeps(app).ask(spawner, 3600, "ada")
    assert seen == [PendingKeep(NOON + ANSWERED_WITHIN)] * 4


async def test_a_claim_that_was_first_is_not_disturbed() -> None:
    spawner, app = a_spawner(), Lifecycle(FakeStore(CLAIMED), granted)
    assert await keeps(app).ask(spawner, 3600, "ada") == Answer(refused=KeepRefusal.TOO_LATE)
    assert app.sent == []


async def test_a_claim_whose_drain_was_refused_is_waited_for() -> None:
    """The event is sent once the claim is given up, since under it nothing would be written."""
    spawner, records = a_spawner(), [CLAIMED, CLAIMED, worker()]
    app = Lifecycle(FakeStore(worker()), granted)

    def get(key: str) -> Worker | None:
        spawner.keep.has_refused = True
        if records:
            assert app.sent == []
            return records.pop(0)
        return Lifecycle.get(app, key)

    app.get = get  # type: ignore[method-assign]
    assert await keeps(app).ask(spawner, 3600, "ada") == Answer(kept_until=NOON + HOUR)


@pytest.mark.parametrize("change", [{"active": False}, {"pending": "stop"}, {"instance": ServerInstance()}])
async def test_a_server_that_is_gone_meanwhile_is_too_late(change: dict[str, Any]) -> None:
    """Before the request is sent, and after."""
    for early in (True, False):
        spawner, app = a_spawner(), Lifecycle(FakeStore(worker()), lambda record, _: record)
        get = app.get

        def ended(
            key: str, spawner: Any = spawner, app: Any = app, early: bool = early, get: Any = get
        ) -> Worker | None:
            if early or app.sent:
                vars(spawner).update(change)
            return get(key)  # type: ignore[no-any-return]

        app.get = ended  # type: ignore[method-assign]
        assert await keeps(app).ask(spawner, 3600, "ada") == Answer(refused=KeepRefusal.TOO_LATE)
        assert bool(app.sent) is not early


async def test_without_an_answer_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.keep.asking.ANSWERED_WITHIN", timedelta(0))
    spawner, app = a_spawner(), Lifecycle(FakeStore(worker()), lambda record, _: record)
    assert await keeps(app).ask(spawner, 3600, "ada") == Answer(refused=KeepRefusal.UNCONFIRMED)
    assert spawner.keep is None


async def test_what_cannot_be_read_or_sent_is_not_available() -> None:
    app = Lifecycle(FakeStore(worker()), granted)
    app.store.problems = [StoreUnavailable("down")]
    assert (await keeps(app).ask(a_spawner(), 3600, "ada")).refused is KeepRefusal.UNAVAILABLE

    async def send(*_: Any) -> None:
        raise KeepNotSent("refused")

    app.send = send  # type: ignore[method-assign, assignment]
    assert (await keeps(app).ask(a_spawner(), 3600, "ada")).refused is KeepRefusal.UNAVAILABLE


async def test_a_user_asks_no_more_than_so_often() -> None:
    clock = [NOON]
    app = Lifecycle(FakeStore(worker()), granted)
    asked = keeps(app, lambda: clock[0])
    for _ in range(MOST):
        assert (await asked.ask(a_spawner(), 60, "ada")).refused is None
    assert (await asked.ask(a_spawner(), 60, "ada")).refused is KeepRefusal.TOO_OFTEN
    clock[0] += WITHIN + SECOND
    assert (await asked.ask(a_spawner(), 60, "ada")).refused is None
    assert len(app.sent) == MOST + 1


@pytest.mark.parametrize(("after", "refused"), [(timedelta(0), True), (ANSWERED_WITHIN, False)])
async def test_one_request_at_a_time_and_a_lost_one_counts_no_longer(after: timedelta, refused: bool) -> None:
    app = Lifecycle(FakeStore(worker()), granted)
    spawner = a_spawner(keep=PendingKeep(NOON + ANSWERED_WITHIN))
    found = await keeps(app, lambda: NOON + after).ask(spawner, 60, "ada")
    assert (found.refused is KeepRefusal.TOO_OFTEN) is refused


def test_the_event_as_a_whole() -> None:
    entry = keep_entry("test", "ada/gpu", "i-1", "0f" * 16, 3600, "ada", NOON)
    assert json.loads(entry.pop("Detail")) == {
        "cluster": "test",
        "worker": "ada/gpu",
        "instance_id": "i-1",
        "request": "0f" * 16,
        "seconds": 3600,
        "requested_at": NOON.timestamp(),
        "requested_by": "ada",
    }
    assert entry == {"Source": "cloudjhub.hub", "DetailType": "Keep Requested"}


async def test_an_event_is_put_or_is_an_error() -> None:
    events: Any = FakeEvents()
    given = ("ada", "i-1", "0f" * 16, 60, "ada", NOON)
    await KeepRequests(events, calls(), "test").send(*given)
    assert events.entries == [keep_entry("test", *given)]
    for failing in (FakeEvents(failed=1), FakeEvents(error=refusal("AccessDenied"))):
        bad: Any = failing
        with pytest.raises(KeepNotSent, match="ada"):
            await KeepRequests(bad, calls(), "test").send(*given)


async def test_policies_are_read_as_they_are_now() -> None:
    texts = {"cluster": '{"keep_limit": 60}', "group/a": '{"keep_limit": 120}'}
    asked: list[Any] = []

    def read(scopes: Any) -> dict[str, str]:
        asked.append(scopes)
        return texts

    assert (await Policies(read, calls()).of("ada", ("a",))).keep_limit == timedelta(minutes=2)
    assert asked == [["cluster", "group/a", "user/ada"]]


@pytest.mark.parametrize(
    ("policy", "record", "found"),
    [
        (Policy(), worker(started_at=NOON), {"keep_limit": 14400, "step": 10}),
        (Policy(idle_timeout=3 * HOUR), worker(), {"idle_timeout": 10800, "step": 60}),
        (Policy(keep_limit=timedelta(0)), worker(), {"keep_limit": 0}),
        (Policy(), None, {"keep_limit": 0}),
        (Policy(), worker(keep_until=NOON + HOUR), {"keep_until": (NOON + HOUR).timestamp()}),
        (Policy(), worker(keep_until=NOON), {"keep_until": None}),
        (Policy(busy_allowance=None), worker(), {"busy_allowance": None, "max_lifetime": None}),
        (
            Policy(max_lifetime=3 * HOUR),
            worker(started_at=NOON - 2 * HOUR),
            {"max_lifetime": 10800, "keep_limit": 3600},
        ),
        (
            Policy(signals=frozenset({Level.INTERACTION})),
            worker(),
            {"lowest_level": 3, "ignored_signals": None},
        ),
        (
            Policy(ignored_signals=frozenset({Signal.CPU, Signal.APPS})),
            worker(),
            {"ignored_signals": ["apps", "cpu"]},
        ),
    ],
)
def test_a_machine_is_told_its_terms(policy: Policy, record: Worker | None, found: dict[str, Any]) -> None:
    told = terms(policy, record, timedelta(seconds=30), NOON)
    assert {name: told.get(name) for name in found} == found
    assert json.loads(json.dumps(told)) == told
