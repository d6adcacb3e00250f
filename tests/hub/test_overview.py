"""Which machines the Machines page shows."""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from hub.pages.machines import addresses_of
from hub.pages.overview import LAST_PAGE, NO_MACHINE, ROWS, Choice, Row, Sort, View, choice, rows, view
from hub.pages.texts import summary
from lifecycle_app.model.history import PER_HOUR
from lifecycle_app.model.messages import message
from lifecycle_app.model.worker import State, Worker
from tests.hub.fakes import NOON, worker
from tests.hub.test_pages import TEMPLATES


def of(key: str, state: State = State.RUNNING, **more: Any) -> Worker:
    return worker(key, state, **more)


def shown(found: list[Row], **chosen: Any) -> list[str]:
    return [row.key for row in view(found, Choice(**chosen)).rows]


def test_there_is_a_row_for_each_server_and_for_each_user_without_one() -> None:
    found = rows({"ada", "bob", "cy"}, [of("ada"), of("ada/gpu"), of("eve")], {("bob", "new"), ("eve", "")})
    assert sorted(row.key for row in found) == ["ada", "ada/gpu", "bob/new", "cy"]
    assert {row.key: row.is_active for row in found}["bob/new"]
    assert {row.key: row.state for row in found}["cy"] == NO_MACHINE


def test_no_user_is_shown_whom_the_viewer_may_not_see() -> None:
    assert rows(set(), [of("ada")], {("ada", "")}) == []


MACHINES = [
    Row(user="cy", worker=of("cy", State.STOPPED, instance_type="t3.small", groups=("physics",))),
    Row(user="ada", worker=of("ada", State.RUNNING, instance_type="t3.large", last_interaction=NOON)),
    Row(user="Bob", worker=of("Bob", State.TERMINATED)),
    Row(
        user="dan",
        worker=of(
            "dan", State.RUNNING, instance_type="m7g.large", last_interaction=NOON + timedelta(hours=1)
        ),
    ),
]


@pytest.mark.parametrize(
    ("chosen", "keys"),
    [
        ({}, ["ada", "dan", "cy", "Bob"]),
        ({"sort": Sort.NAME}, ["Bob", "ada", "cy", "dan"]),
        ({"sort": Sort.USED}, ["dan", "ada", "Bob", "cy"]),
        ({"sort": Sort.TYPE}, ["dan", "Bob", "ada", "cy"]),
        ({"state": State.RUNNING}, ["ada", "dan"]),
        ({"state": NO_MACHINE}, ["Bob"]),
        ({"group": "physics"}, ["cy"]),
        ({"group": "chemistry"}, []),
        ({"search": "bo"}, ["Bob"]),
        ({"search": "t3."}, ["ada", "cy"]),
        ({"page": 99}, ["ada", "dan", "cy", "Bob"]),
    ],
)
def test_search_filters_and_order(chosen: Mapping[str, Any], keys: list[str]) -> None:
    found = [
        replace(row, worker=replace(row.worker, instance_type="n"))
        if row.user == "Bob" and row.worker
        else row
        for row in MACHINES
    ]
    assert shown(found, **chosen) == keys


def test_counts_are_those_before_the_state_is_chosen() -> None:
    seen = view(MACHINES, Choice(state=State.STOPPED, search=""))
    assert (seen.found, seen.groups) == (1, ["physics"])
    assert seen.counts == {"running": 2, "pending": 0, "stopping": 0, "stopped": 1, NO_MACHINE: 1}


def test_a_page_has_so_many_rows_whatever_the_clusters_size() -> None:
    many = [Row(user=f"user{n:04}") for n in range(2000)]
    first, last = view(many, Choice()), view(many, Choice(page=50))
    assert (len(first.rows), first.found, first.pages) == (ROWS, 2000, 50)
    assert last.rows[-1].user == "user1999"
    assert view([], Choice(page=7)).page == 1


def drawn(found: View, addresses: Mapping[str, str]) -> str:
    """The table, for an administrator."""
    shown = [
        (row, summary(row.key, row.worker, [], for_administrators=True), addresses.get(row.key, ""))
        for row in found.rows
    ]
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    return templates.get_template("machines_table.html").render(
        view=found, chosen=Choice(), shown=shown, prices=PER_HOUR, may_act=True, base_url="/hub/"
    )


def test_servers_that_run_are_opened_by_who_may() -> None:
    users = [
        SimpleNamespace(
            name=name, spawners={"": 1, "gpu": 1}, server_url=lambda server, name=name: f"/{name}/{server}"
        )
        for name in ("ada", "bob")
    ]
    found = [
        Row(user="ada", is_active=True),
        Row(user="ada", server="gpu"),
        Row(user="bob", is_active=True),
        Row(user="bob", server="gpu", is_active=True),
    ]
    assert addresses_of(found, users, set()) == {}
    assert addresses_of(found, users, {"ada", "eve"}) == {"ada": "/ada/"}
    assert addresses_of(found, users, {"ada", "bob"}) == {
        "ada": "/ada/",
        "bob": "/bob/",
        "bob/gpu": "/bob/gpu",
    }
    table = drawn(view(found, Choice()), {"ada": "/ada/"})
    assert table.count(">Open</a>") == table.count('href="/ada/" aria-label="Open ada"') == 1


def test_an_update_of_two_thousand_machines_is_small() -> None:
    """As nginx sends it: compressed."""
    known: Any = {
        "zone": "us-east-1a",
        "instance_type": "t3.medium",
        "started_at": NOON,
        "groups": ("physics",),
    }
    said = message("active", last_used=NOON)
    machines = [
        of(f"student{n:04}@example.org", last_interaction=NOON + timedelta(seconds=n), message=said, **known)
        for n in range(2000)
    ]
    found = view(rows({one.user for one in machines}, machines, set()), Choice(sort=Sort.USED))
    table = drawn(found, {row.key: f"/user/{row.user}/" for row in found.rows})
    assert table.count(">Open</a>") == ROWS
    assert table.count("<tr data-worker") == ROWS
    assert len(zlib.compress(table.encode())) < 20_000


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, Choice()),
        ({"state": "running", "sort": "used", "page": "3"}, Choice(state="running", sort=Sort.USED, page=3)),
        ({"state": "DROP TABLE", "sort": "__class__", "page": "-1"}, Choice()),
        ({"page": "9" * 400}, Choice()),
        ({"page": "99999999"}, Choice(page=LAST_PAGE)),
        ({"page": "٣"}, Choice()),
        ({"search": "  ADA "}, Choice(search="ada")),
        ({"search": "x" * 10_000, "group": "g" * 10_000}, Choice(search="x" * 100, group="g" * 100)),
    ],
)
def test_what_cannot_be_used_is_left_out(asked: Mapping[str, str], found: Choice) -> None:
    assert choice(lambda name: asked.get(name, "")) == found
