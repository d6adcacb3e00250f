"""docs/login-path.md: its limits are the code's, and its budgets add up."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest

from hub.config.settings import Settings

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/login-path.md").read_text(encoding="utf-8")
LIMIT = re.compile(r"\| `(?P<file>[\w/]+)\.py` \| `(?P<name>\w+)` \| (?P<seconds>[\d.]+) \|")
LIMITS = [(found["file"], found["name"], float(found["seconds"])) for found in LIMIT.finditer(PAGE)]


def written(file: str, pattern: str) -> float:
    """The one number in a source file that stands where the pattern has its group."""
    [found] = re.findall(pattern, (REPOSITORY / file).read_text(encoding="utf-8"))
    return float(found)


ELSEWHERE: dict[tuple[str, str], Callable[[], object]] = {
    ("hub/config/settings", "answer_limit"): lambda: Settings.__dataclass_fields__["answer_limit"].default,
    ("hub/configuration", "start_timeout"): lambda: written(
        "hub/configuration.py", r'"start_timeout": (\d+),'
    ),
    ("hub/configuration", "http_timeout"): lambda: written("hub/configuration.py", r'"http_timeout": (\d+),'),
}


def seconds(value: object) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(str(value))


@pytest.mark.parametrize(("file", "name", "told"), LIMITS)
def test_a_limit_is_the_codes(file: str, name: str, told: float) -> None:
    elsewhere = ELSEWHERE.get((file, name))
    found = elsewhere() if elsewhere else getattr(import_module(file.replace("/", ".")), name)
    assert seconds(found) == told


def test_there_are_limits_of_hub_and_worker() -> None:
    assert {file.partition("/")[0] for file, _, _ in LIMITS} == {"hub", "bootstrap"}
    assert set(ELSEWHERE) <= {(file, name) for file, name, _ in LIMITS}


def rows(title: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def figures(cells: Iterable[str]) -> Sequence[float]:
    return [float(cell.strip("*")) for cell in cells]


@pytest.mark.parametrize(("title", "columns"), [("Time line", slice(2, 5)), ("Waits", slice(1, 3))])
def test_the_sums_are_right(title: str, columns: slice) -> None:
    *parts, total = [figures(row[columns]) for row in rows(title)]
    assert len(parts) > 2
    assert total == pytest.approx([sum(column) for column in zip(*parts, strict=True)])


def test_the_waits_are_the_codes() -> None:
    """A login that meets no trouble waits for others at EC2, and for the next look at the port."""
    starting, answering = import_module("hub.spawn.launcher"), import_module("hub.clients.workers")
    longest = starting.WINDOW + answering.SHORTEST_PAUSE + answering.PROBE_CONNECT.total_seconds()
    assert figures(rows("Waits")[-1][1:]) == pytest.approx([longest, longest])
