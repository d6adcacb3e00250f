"""Items of the workers table as DynamoDB keeps them, and all the ways in which one can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lifecycle_app.adapters.tables import COSTS
from lifecycle_app.model.messages import stored
from lifecycle_app.model.worker import Worker
from tests.store import servers

Item = dict[str, dict[str, Any]]
Change = Callable[[Item], None]


@dataclass(frozen=True, slots=True)
class Harm:
    """A change that makes an item bad, and what is then said of it."""

    name: str
    change: Change
    says: str


def without(*names: str) -> Change:
    def change(item: Item) -> None:
        for name in names:
            item.pop(name, None)

    return change


def having(name: str, **value: Any) -> Change:
    """`value`: DynamoDB's type and the value in it."""

    def change(item: Item) -> None:
        item[name] = value

    return change


TEXTS = (
    *("address", "instance_type", "zone", "home_volume", "evidence", "stop_reason", "decided"),
    *("keep_by", "keep_request", "keep_refusal"),
)
TIMES = (
    "started_at",
    "last_activity",
    "last_interaction",
    "claimed_until",
    "hub_odd_since",
    "keep_until",
)
HARMS = (
    *(
        Harm(f"no {name}", without(name), f"{name} is missing")
        for name in ("instance_id", "state", "state_at", "version", "changed_at", "cluster")
    ),
    Harm("no state but null", having("state", NULL=True), "state is missing"),
    Harm("hardly anything", without("state", "state_at", "version"), "state is missing; state_at is missing"),
    *(
        Harm(f"{name} a number", having(name, N="1"), f"{name} is of DynamoDB's type N, not S")
        for name in TEXTS
    ),
    *(
        Harm(f"{name} a text", having(name, S="2026"), f"{name} is of DynamoDB's type S, not N")
        for name in (*TIMES, "state_at", "version", "seconds_run")
    ),
    Harm("home_attached a text", having("home_attached", S="yes"), "home_attached is of DynamoDB's type S"),
    Harm("removing a text", having("removing", S="yes"), "removing is of DynamoDB's type S"),
    Harm("evidence binary", having("evidence", B=b"x"), "evidence is of DynamoDB's type B, not S"),
    Harm("address a map", having("address", M={}), "address is of DynamoDB's type M, not S"),
    Harm(
        "state unknown", having("state", S="hibernated"), "state is wrong: 'hibernated' is not one of pending"
    ),
    Harm("state large", having("state", S="RUNNING"), "state is wrong: 'RUNNING' is not one of pending"),
    Harm("state long", having("state", S="x" * 9_000), "state is wrong: 'xxxx"),
    *(
        Harm(f"state_at {when}", having("state_at", N=when), "state_at is wrong: ")
        for when in ("-1", "7258118400", "253402300800", "1E+20", "9.9E+125")
    ),
    *(
        Harm(
            f"{name} beyond",
            having(name, N="1E+15"),
            f"{name} is wrong: 1000000000000000 is not a time between",
        )
        for name in TIMES
    ),
    *(
        Harm(f"version {version}", having("version", N=version), "version is wrong: ")
        for version in ("0", "-1", "1.5", "1E+40")
    ),
    *(
        Harm(f"seconds_run {count}", having("seconds_run", N=count), "seconds_run is wrong: ")
        for count in ("-1", "0.1", "1E+125")
    ),
    *(
        Harm(f"instance_id {text!r}", having("instance_id", S=text), "instance_id is wrong: ")
        for text in ("alice", "i-", "i-1 i-2", "i-ü", "i-" + "0" * 65)
    ),
    Harm("groups a set", having("groups", SS=["a"]), "groups is of DynamoDB's type SS, not L"),
    *(
        Harm(f"groups {name}", having("groups", L=items), "groups is wrong: not a list of names")
        for name, items in (
            ("numbers", [{"N": "1"}]),
            ("nested", [{"S": "a"}, {"L": []}]),
            ("empty", [{"S": ""}]),
            ("long", [{"S": "g" * 1001}]),
        )
    ),
    Harm(
        "two at once",
        lambda item: item.update(state={"S": "on"}, seconds_run={"S": "1"}),
        "seconds_run is of DynamoDB's type S, not N; state is wrong",
    ),
)
"""Each leaves `costs` and `due_at` as they are, so that a sweep comes across it."""

ODDITIES: tuple[tuple[str, Change], ...] = (
    ("an attribute of a newer version", having("invented_later", M={"a": {"L": [{"NULL": True}]}})),
    (
        "as an older version wrote it",
        without("home_attached", "hub_odd_since", "groups", "decided", "evidence"),
    ),
    ("as the oldest would", without("seconds_run", "keep_until", "last_interaction", "started_at", "zone")),
    ("null where nothing is", having("keep_until", NULL=True)),
    ("null groups", having("groups", NULL=True)),
    ("a group twice", having("groups", L=[{"S": "a"}, {"S": "a"}])),
    ("a whole number written long", having("version", N="1.000")),
)
"""Changes that leave an item good."""

UNWATCHED: tuple[tuple[str, Change], ...] = (
    ("no costs", without("costs")),
    ("no due_at", without("due_at")),
)
"""Changes that leave an item good but hide it from every sweep."""


def item_of(worker: Worker) -> Item:
    """The item of a worker that was written once, with every attribute that a running one can have."""

    def at(moment: Any) -> dict[str, str]:
        return {"N": f"{moment.timestamp():.6f}"}

    moments = {name: at(getattr(worker, name)) for name in (*TIMES, "due_at") if getattr(worker, name)}
    texts = {name: {"S": getattr(worker, name)} for name in TEXTS if getattr(worker, name, "")}
    return {
        "worker": {"S": worker.key},
        "cluster": {"S": servers.CLUSTER},
        "costs": {"S": COSTS},
        "instance_id": {"S": worker.instance_id},
        "state": {"S": worker.state},
        "state_at": at(worker.state_at),
        "version": {"N": "1"},
        "changed_at": at(worker.changed_at),
        "home_attached": {"BOOL": worker.home_attached},
        "seconds_run": {"N": str(worker.seconds_run)},
        "groups": {"L": [{"S": group} for group in worker.groups]},
        "evidence": {"S": stored(worker.message) or "an older version's text"},
        **moments,
        **texts,
    }
