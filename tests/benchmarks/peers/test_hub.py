"""The substitute for the hub returns users as JupyterHub does."""

from datetime import UTC, datetime

from jupyterhub.apihandlers.base import APIHandler

from benchmarks.peers import hub
from benchmarks.peers.fleet import Fleet

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FLEET = Fleet(users=250, running=120, due=1)
URL = "http://127.0.0.1:8081/hub/api/users"


def test_pages_of_those_that_are_ready() -> None:
    first = hub.page(FLEET, URL, ready=True, offset=0, limit=50, now=NOW)
    assert [user["name"] for user in first["items"]] == [f"user{number:06}" for number in range(50)]
    assert first["_pagination"] == {
        "offset": 0,
        "limit": 50,
        "total": 120,
        "next": {"offset": 50, "limit": 50, "url": f"{URL}?offset=50&limit=50&state=ready"},
    }


def test_the_last_page_is_what_is_left() -> None:
    last = hub.page(FLEET, URL, ready=True, offset=100, limit=50, now=NOW)
    assert (len(last["items"]), last["_pagination"]["next"]) == (20, None)


def test_no_page_is_larger_than_the_hub_allows() -> None:
    page = hub.page(FLEET, URL, ready=False, offset=0, limit=1_000, now=NOW)
    assert (len(page["items"]), page["_pagination"]["next"]["offset"]) == (200, 200)


def test_activity_of_those_that_are_due_of_those_that_run_and_of_those_that_do_not() -> None:
    due, running, stopped = (hub.user(FLEET, number, NOW) for number in (0, 1, 120))
    assert due["servers"][""]["last_activity"] == due["last_activity"] == "2026-11-23T10:20:00.000000Z"
    assert running["servers"][""]["last_activity"] == "2026-11-23T11:59:00.000000Z"
    assert (stopped["server"], stopped["servers"]) == (None, {})


def test_a_server_has_the_attributes_that_jupyterhub_gives_it() -> None:
    """By the names that JupyterHub's own method has in it: what a culler reads has the real length."""
    names = set(APIHandler.server_model.__code__.co_consts)
    known = {name for one in names if isinstance(one, tuple) for name in one} | names
    assert set(hub.user(FLEET, 0, NOW)["servers"][""]) <= known
