"""When a machine is stopped and what keeps it on, as the machine itself expects; the lifecycle app decides the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bootstrap.worker.facts import Observation
from bootstrap.worker.presence import kernel_names, named, status
from bootstrap.worker.standing import Standing, standing
from bootstrap.worker.terms import Budget, Terms
from lifecycle_app.contract import Level

START = datetime(2026, 11, 30, 9, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NOW = START + 2 * HOUR
TERMS = Terms(
    idle_timeout=HOUR,
    busy_allowance=24 * HOUR,
    app_allowance=2 * HOUR,
    start_grace=10 * MINUTE,
    keep_limit=4 * HOUR,
)
RSTUDIO = 4


def seen(**fields: Any) -> Observation:
    quiet: dict[str, Any] = {
        "at": NOW,
        "level": Level.QUIET,
        "last_interaction": NOW - 18 * MINUTE,
        "last_work": None,
        "busy_kernels": 0,
        "busy_terminals": 0,
        "cpu_percent": 0.0,
        "details": (),
    }
    return Observation(**quiet | fields)


def terms(**fields: Any) -> Terms:
    known = {name: getattr(TERMS, name) for name in Terms.__dataclass_fields__}
    return Terms(**known | fields)


BUSY = {"busy_kernels": 1, "level": Level.WORK, "doing": "kernel python3 (1) is busy", "last_work": NOW}
APP = {"app": RSTUDIO, "last_app": NOW, "has_app_traffic": True}


@pytest.mark.parametrize(
    ("observed", "given", "stops_at", "kept_by"),
    [
        pytest.param({}, TERMS, NOW + 42 * MINUTE, "", id="used 18 minutes ago"),
        pytest.param({"last_interaction": None}, TERMS, START + HOUR, "", id="never used"),
        pytest.param({}, Terms(), None, "", id="a hub that does not say"),
        pytest.param({"last_work": NOW - MINUTE}, TERMS, NOW + 59 * MINUTE, "", id="worked a minute ago"),
        pytest.param(
            {"last_work": NOW - MINUTE},
            terms(lowest_level=Level.INTERACTION),
            NOW + 42 * MINUTE,
            "",
            id="work does not count",
        ),
        pytest.param(BUSY, TERMS, NOW + 24 * HOUR - 18 * MINUTE, "busy", id="works: until the allowance"),
        pytest.param(BUSY, terms(busy_allowance=None), None, "busy", id="works: without end"),
        pytest.param(BUSY, terms(max_lifetime=3 * HOUR), NOW + HOUR, "busy", id="works: until its lifetime"),
        pytest.param(
            BUSY,
            terms(lowest_level=Level.INTERACTION),
            NOW + 42 * MINUTE,
            "",
            id="works, which does not count",
        ),
        pytest.param(
            {"level": Level.LOAD, "doing": "CPU 90 % of a core"},
            TERMS,
            NOW + 24 * HOUR - 18 * MINUTE,
            "busy",
            id="load",
        ),
        pytest.param(
            {"level": Level.LOAD},
            terms(lowest_level=Level.WORK),
            NOW + 42 * MINUTE,
            "",
            id="load does not count",
        ),
        pytest.param(APP, TERMS, NOW + 2 * HOUR - 18 * MINUTE, "app", id="an app's page is open"),
        pytest.param(
            APP, terms(busy_allowance=HOUR), NOW + 42 * MINUTE, "app", id="the shorter of both allowances"
        ),
        pytest.param(
            {"app": RSTUDIO, "last_app": NOW - MINUTE}, TERMS, NOW + 59 * MINUTE, "", id="an app was used"
        ),
        pytest.param(
            APP, terms(app_allowance=timedelta(0)), NOW + 42 * MINUTE, "", id="traffic of apps does not count"
        ),
        pytest.param({}, terms(start_grace=3 * HOUR), START + 3 * HOUR, "starting", id="just started"),
        pytest.param({}, terms(keep_until=NOW + 2 * HOUR), NOW + 2 * HOUR, "kept", id="kept"),
        pytest.param(
            {}, terms(keep_until=NOW + MINUTE), NOW + 42 * MINUTE, "kept", id="kept, and used later"
        ),
        pytest.param({}, terms(keep_until=NOW), NOW + 42 * MINUTE, "", id="was kept"),
        pytest.param(
            BUSY, terms(start_grace=3 * HOUR), NOW + 24 * HOUR - 18 * MINUTE, "busy", id="busy at start"
        ),
    ],
)
def test_when_it_stops_and_what_keeps_it(
    observed: dict[str, Any], given: Terms, stops_at: datetime | None, kept_by: str
) -> None:
    found = standing(seen(**observed), given, START, None)
    assert (found.stops_at, found.kept_by) == (stops_at, kept_by)


OVER = Budget(message="used up", is_over=True, stops_at=NOW + 25 * MINUTE)


@pytest.mark.parametrize(
    ("observed", "given", "stops_at"),
    [
        pytest.param({"last_interaction": NOW}, terms(budget=OVER), NOW + 25 * MINUTE, id="used"),
        pytest.param(
            {}, terms(budget=replace(OVER, stops_at=NOW + HOUR)), NOW + 42 * MINUTE, id="idle before"
        ),
        pytest.param(
            {}, terms(budget=replace(OVER, stops_at=None)), NOW + 42 * MINUTE, id="kept until next month"
        ),
        pytest.param(
            {}, terms(budget=OVER, keep_until=NOW + 3 * HOUR), NOW + 25 * MINUTE, id="kept by the user"
        ),
        pytest.param({}, terms(budget=OVER, start_grace=3 * HOUR), NOW + 25 * MINUTE, id="just started"),
        pytest.param(
            BUSY, terms(budget=OVER, busy_allowance=HOUR), NOW + 42 * MINUTE, id="work, without a user"
        ),
        pytest.param(BUSY, terms(budget=OVER, busy_allowance=None), None, id="work without end"),
        pytest.param(
            BUSY, terms(budget=replace(OVER, stops_work=True)), NOW + 25 * MINUTE, id="work is stopped too"
        ),
    ],
)
def test_a_budget_that_is_used_up_ends_what_is_used(
    observed: dict[str, Any], given: Terms, stops_at: datetime | None
) -> None:
    assert standing(seen(**observed), given, START, None).stops_at == stops_at


@pytest.mark.parametrize(
    ("found", "stops_at", "shown"),
    [
        (None, NOW, None),
        (OVER, NOW + 25 * MINUTE, {"message": "used up", "is_over": True, "ends": True}),
        (OVER, NOW + 24 * MINUTE, {"message": "used up", "is_over": True, "ends": False}),
        (OVER, None, {"message": "used up", "is_over": True, "ends": False}),
        (Budget(message="most"), NOW, {"message": "most", "is_over": False, "ends": False}),
    ],
)
def test_a_page_gets_what_is_said_of_a_budget(
    found: Budget | None, stops_at: datetime | None, shown: Any
) -> None:
    assert status(seen(), terms(budget=found), Standing(stops_at=stops_at), START, {})["budget"] == shown


def test_load_that_was_seen_last_counts_as_the_policy_says() -> None:
    last_load = NOW - MINUTE
    assert standing(seen(), TERMS, START, last_load).stops_at == NOW + 59 * MINUTE
    assert standing(seen(), terms(lowest_level=Level.WORK), START, last_load).stops_at == NOW + 42 * MINUTE


@pytest.mark.parametrize(
    ("doing", "shown"),
    [
        ("kernel python3 (0a1b2c3d) is busy", "train.ipynb is running"),
        ("kernel python3 (99999999) is busy", "kernel python3 (99999999) is busy"),
        ("terminal 1 runs sleep", "terminal 1 runs sleep"),
    ],
)
def test_a_busy_kernel_has_its_notebooks_name(doing: str, shown: str) -> None:
    sessions: list[dict[str, Any]] = [
        {"path": "course/train.ipynb", "kernel": {"id": "0a1b2c3d-4e5f"}},
        {"path": "", "kernel": {"id": "99999999-4e5f"}},
        {"path": "gone.ipynb", "kernel": None},
    ]
    assert named(doing, kernel_names(sessions)) == shown


def test_a_page_gets_it_in_seconds() -> None:
    given = terms(keep_until=NOW + HOUR)
    kept = Standing(stops_at=NOW + HOUR, kept_by="kept", values={"until": 1.5})
    assert status(seen(), given, kept, START, {}) == {
        "now": NOW.timestamp(),
        "started_at": START.timestamp(),
        "last_used": (NOW - 18 * MINUTE).timestamp(),
        "stops_at": (NOW + HOUR).timestamp(),
        "kept_by": {"code": "kept", "values": {"until": 1.5}},
        "keep_until": (NOW + HOUR).timestamp(),
        "keep_limit": 14400,
        "budget": None,
    }
    late = status(seen(), terms(keep_until=NOW), Standing(stops_at=None), START, {})
    assert (late["stops_at"], late["kept_by"], late["keep_until"]) == (None, None, None)
