"""A stop of a machine unless its user has a server there by then: only the hub decides."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.clients.lifecycle import stop_entry
from hub.drain.verdict import Request, Server, verdict
from lifecycle_app.adapters.hub_client import DrainAnswer
from lifecycle_app.contract import Drain
from lifecycle_app.errors import MalformedEvent
from lifecycle_app.model import events
from lifecycle_app.model.events import StopRequest
from lifecycle_app.model.worker import State
from lifecycle_app.use_cases import stop_requested
from tests.lifecycle.examples import ALICE, HOUR, NOON, SECOND
from tests.lifecycle.fakes import World
from tests.lifecycle.payloads import payload

EVER = datetime.fromtimestamp(0, UTC)
PREPARED = StopRequest("alice", ALICE, NOON - SECOND, "admin", unless_used=True)


def test_the_entry_is_understood_as_it_was_meant() -> None:
    entry = stop_entry("test", "alice", ALICE, "admin", NOON, unless_used=True)
    event = payload("stop-requested", **json.loads(entry["Detail"]))
    assert events.stop_request(event, "test") == StopRequest("alice", ALICE, NOON, "admin", unless_used=True)
    assert "unless_used" not in json.loads(stop_entry("test", "alice", ALICE, "admin", NOON)["Detail"])
    assert not events.stop_request(payload("stop-requested"), "test").unless_used


@pytest.mark.parametrize("value", ["yes", 1, 0])
def test_anything_but_yes_or_no_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedEvent, match="unless_used"):
        events.stop_request(payload("stop-requested", unless_used=value), "test")


def test_the_hub_is_asked_about_a_server_of_any_time(world: World) -> None:
    assert stop_requested(world.service, PREPARED, NOON) == "stopped"
    assert world.hub.asked == [("alice", Drain.REGARDLESS, EVER)]


def test_a_user_who_has_come_keeps_it(world: World) -> None:
    world.hub.answers = lambda _, __: DrainAnswer(False, "the user's server was started since", {})
    assert stop_requested(world.service, PREPARED, NOON) == "refused"
    record = world.record()
    assert (record.state, record.decided) == (State.RUNNING, "stop-requested: refused")
    assert world.cloud.stops == []


def test_without_the_hub_nothing_is_decided(world: World) -> None:
    """A person's own request is enough then; this one is not."""
    world.hub.is_down = True
    assert stop_requested(world.service, PREPARED, NOON) == "hub-down"
    assert world.cloud.stops == []
    assert stop_requested(world.service, replace(PREPARED, unless_used=False), NOON) == "stopped"


NO_SERVER = None
SINCE_LONG = Server(pending=None, active=True, started=NOON - HOUR, instance_id=ALICE)


@pytest.mark.parametrize(
    ("server", "drained"),
    [
        (NO_SERVER, True),
        (replace(SINCE_LONG, active=False, started=None), True),
        (SINCE_LONG, False),
        (replace(SINCE_LONG, started=NOON - timedelta(days=9)), False),
        (replace(SINCE_LONG, pending="spawn"), False),
    ],
)
def test_what_the_hub_says_of_the_servers_it_has(server: Server | None, drained: bool) -> None:
    """Its own rule, for a request of all times: that the login came before the request makes no difference."""
    asked = Request(worker="alice", instance_id=ALICE, since=EVER, mode=Drain.REGARDLESS)
    assert verdict(asked, server, None).drained is drained
