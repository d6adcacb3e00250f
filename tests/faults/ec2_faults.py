"""EC2 that refuses, falls silent or tells something odd, and people who do by hand what the service should do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from lifecycle_app.errors import NotNow
from lifecycle_app.model.events import StateChange
from lifecycle_app.model.worker import State
from lifecycle_app.use_cases import reconcile, record_state, sweep
from tests.faults.scene import CAROL, Scene, always, scene
from tests.faults.table import Fault, Found, found
from tests.faults.wire import Asked, Spoil, tagged
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND

ERIN = "i-0e41"


def refusing(code: str, status: int = 400) -> Spoil:
    """That is what comes of stopping Alice's instance."""

    def spoil(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
        return {"Error": {"Code": code, "Message": "no"}, "status": status} if is_hers(asked) else answer

    return spoil


def silent(error: Exception) -> Spoil:
    """EC2 does it, but its answer does not come."""

    def spoil(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
        if is_hers(asked):
            raise error
        return answer

    return spoil


def is_hers(asked: Asked) -> bool:
    return ALICE in asked.get("InstanceIds", ())


def stopping(spoil: Spoil) -> Scene:
    """Alice is idle and may be stopped: what counts is what is done when it is unknown whether she was."""
    with scene(alive=(CAROL,)) as one:
        one.wire.spoilt["StopInstances"] = spoil
        sweep(one.service, always)
        return one


def refused(code: str, status: int = 400) -> Found:
    """She runs on, is free to be used, and due again."""
    one = stopping(refusing(code, status))
    worker = one.store.workers["alice"]
    assert (worker.state, worker.claimed_until, worker.due_at) == (State.RUNNING, None, NOON)
    return found(one)


def unknown(spoil: Spoil) -> Found:
    """A login waits until an event, or the end of the lease, tells; EC2 is not asked a second time meanwhile."""
    one = stopping(spoil)
    assert one.store.workers["alice"].is_claimed(NOON)
    assert sweep(one.service, always) == {}
    assert one.wire.stops.count(ALICE) == 1
    return found(one)


def by_hand(change: Callable[[Scene], object], expected: State | None) -> Found:
    """Done in EC2's console, and no event said so: no machine is stopped for it."""
    with scene(alive=(ALICE, CAROL)) as one:
        change(one)
        reconcile(one.service, NOON, always)
        worker = one.store.workers.get("alice")
        assert (worker.state if worker else None) is expected
        reconciled = found(one, others=True)
        # She is in use, whoever started her: the sweep finds her so.
        one.wire.activity[ALICE] = [(at, 3.0) for at, _ in one.wire.activity[ALICE]]
        sweep(one.service, always)
        return replace(
            reconciled, wrong_stops=tuple(one.wrong_stops), are_others_seen_to=BOB in one.wire.stops
        )


def put(state: str) -> Callable[[Scene], object]:
    return lambda one: one.wire.instances[ALICE].update(State={"Name": state})


def started(one: Scene) -> None:
    worker = one.store.workers["alice"]
    stopped = replace(worker, state=State.STOPPED, state_at=NOON - HOUR, started_at=None, due_at=None)
    one.store.put(stopped, NOON - HOUR)
    one.wire.instances[ALICE]["LaunchTime"] = NOON - 20 * MINUTE


def retag(**changes: str | None) -> Callable[[Scene], object]:
    return lambda one: one.wire.instances[ALICE].update(Tags=tagged(one.wire.instances[ALICE], **changes))


def forget(one: Scene) -> None:
    del one.wire.instances[ALICE]


def stuck(since: timedelta, forced: bool) -> Found:
    """What has been stopping for too long is reported first, and forced in the end, which stops no user who works."""
    with scene(alive=(CAROL,)) as one:
        worker = one.store.workers["alice"]
        one.store.put(replace(worker, state=State.STOPPING, state_at=NOON - since), NOON)
        put("stopping")(one)
        reconcile(one.service, NOON, always)
        assert (ALICE in one.wire.stops) is forced
        sweep(one.service, always)
        return found(one)


def not_found_yet() -> Found:
    """EC2 reports an instance before it finds it: no record is made, and the event comes again."""
    with scene() as one:
        event = StateChange(ERIN, State.PENDING, NOON - SECOND)
        try:
            said = record_state(one.service, event, NOON)
        except NotNow as error:
            said = str(error)
        one.log.append(said)
        one.wire.add(ERIN, "erin", "pending")
        assert record_state(one.service, event, NOON) == "known"
        return found(one, others=one.store.workers["erin"].instance_id == ERIN)


def not_described(spoil: Spoil) -> Found:
    """EC2 cannot be asked: the pass fails as a whole and comes again; the sweep does not need it."""
    with scene() as one:
        one.wire.spoilt["DescribeInstances"] = spoil
        one.wire.activity[ALICE] = [(at, 3.0) for at, _ in one.wire.activity[ALICE]]
        try:
            reconcile(one.service, NOON, always)
        except Exception as error:
            one.log.append(f"{type(error).__name__}: {error}")
        sweep(one.service, always)
        return found(one)


def refusing_all(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
    return {"Error": {"Code": "RequestLimitExceeded", "Message": "no"}, "status": 503}


def garbage(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
    raise ResponseParserError("<html>")


REFUSALS = (
    ("RequestLimitExceeded", 503),
    ("Throttling", 503),
    ("IncorrectInstanceState", 400),
    ("InvalidInstanceID.NotFound", 400),
    ("UnauthorizedOperation", 403),
    ("OperationNotPermitted", 400),
)
SILENCES = (
    ReadTimeoutError(endpoint_url="x"),
    ConnectTimeoutError(endpoint_url="x"),
    EndpointConnectionError(endpoint_url="x"),
    ResponseParserError("<html>"),
)
FAILURES = (
    ("InternalError", 500),
    ("ServiceUnavailable", 503),
    ("Unavailable", 503),
    ("500", 500),
    ("502", 502),
    ("504", 504),
)
KEPT, UNKNOWN = "its record is kept", "EC2 did not answer"
BY_HAND: list[tuple[str, Callable[[Scene], object], State, str]] = [
    ("terminated by hand", put("terminated"), State.TERMINATED, "missed-terminated"),
    ("shutting down by hand", put("shutting-down"), State.TERMINATED, "missed-terminated"),
    ("stopped by hand", put("stopped"), State.STOPPED, "missed-stopped"),
    ("started by hand", started, State.RUNNING, "missed-running"),
    ("tags faded", retag(cluster=None, role=None, user=None, server=None), State.RUNNING, KEPT),
    ("another cluster's tag", retag(cluster="other"), State.RUNNING, KEPT),
    ("the tag of another role", retag(role="manager"), State.RUNNING, KEPT),
    ("no user's tag", retag(user=None), State.RUNNING, KEPT),
    ("another user's tag", retag(user="carol"), State.RUNNING, ""),
    ("an unknown state", put("hibernating"), State.RUNNING, KEPT),
    ("EC2 does not describe it any more", forget, State.RUNNING, KEPT),
]

EC2 = [
    *(Fault(f"stop: {code}", partial(refused, code, status), f"StopInstances: {code}") for code, status in REFUSALS),
    *(Fault(f"stop, done or not: {error!r:.40}", partial(unknown, silent(error)), UNKNOWN) for error in SILENCES),
    *(Fault(f"stop, done or not: {code}", partial(unknown, refusing(code, status)), UNKNOWN)
      for code, status in FAILURES),
    *(Fault(name, partial(by_hand, change, state), words) for name, change, state, words in BY_HAND),
    Fault("stuck stopping", partial(stuck, 11 * MINUTE, False), "stuck-stopping"),
    Fault("stuck stopping for long", partial(stuck, 21 * MINUTE, True), "stopped by force"),
    Fault("NotFound just after create", not_found_yet, "does not list i-0e41 yet"),
    Fault("describe: throttled", partial(not_described, refusing_all), "DescribeInstances: RequestLimitExceeded"),
    Fault("describe: unreadable", partial(not_described, garbage), "DescribeInstances: NoAnswer"),
    Fault("describe: empty", partial(not_described, lambda _, __: {}), KEPT),
]  # fmt: skip
