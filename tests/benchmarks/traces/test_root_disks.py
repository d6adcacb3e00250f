"""What root disks cost and how long users wait: by hand for two runs, and as docs/costs.md shows it."""

import re
from pathlib import Path

import pytest

from benchmarks.traces import root_disks
from benchmarks.traces.root_disks import LAUNCH, REMOVAL_EVERY, START, outcome
from benchmarks.traces.trace import HOUR, Life, Run, Trace

DOCS = Path(__file__).parents[3] / "docs"
UNTIL = 730 * HOUR
"""A month."""


def a_run(start: float, end: float) -> Run:
    return Run(Life(Trace("ada", ()), start, start, start), end, None)


TWO = [[a_run(0, 10 * HOUR), a_run(40 * HOUR, 50 * HOUR)]]
"""Thirty hours between two runs of ten."""


@pytest.mark.parametrize(
    ("kept", "hours", "launches"),
    [
        ("0s", 20 + 2 * REMOVAL_EVERY / 2 / HOUR, 1),
        ("12h", 20 + 24 + 2 * REMOVAL_EVERY / 2 / HOUR, 1),
        ("29h", 20 + 58 + 2 * REMOVAL_EVERY / 2 / HOUR, 1),
        ("30h", 20 + 30 + 30 + REMOVAL_EVERY / 2 / HOUR, 0),
        ("never", 730, 0),
    ],
)
def test_a_root_disk_is_there_until_it_is_removed_and_a_login_after_that_is_a_launch(
    kept: str, hours: float, launches: int
) -> None:
    found = outcome(kept, TWO, UNTIL)
    assert found.dollars == pytest.approx(8 * 0.08 * hours / 730)
    assert found.launches == launches
    assert found.waited * 60 == pytest.approx(LAUNCH + (LAUNCH if launches else START))


def test_who_never_comes_costs_nothing_and_waits_for_nothing() -> None:
    found = outcome("12h", [[]], UNTIL)
    assert (found.dollars, found.launches, found.waited) == (0.0, 0.0, 0.0)


def test_a_login_takes_what_the_login_path_allows() -> None:
    [launch, start] = re.findall(
        r"^\| \*\*sum\*\* \| \| \*\*([\d.]+)\*\* \| \*\*([\d.]+)\*\*",
        (DOCS / "login-path.md").read_text(),
        re.M,
    )[0]
    assert (float(launch), float(start)) == (LAUNCH, START)


def test_the_document_has_the_table_and_the_picture(tmp_path: Path) -> None:
    """The seed's own people: some seconds."""
    groups = [
        (title, root_disks.outcomes(title, habits, people, weeks, 1))
        for title, habits, people, weeks, _ in root_disks.GROUPS
    ]
    text = (DOCS / "costs.md").read_text()
    assert root_disks.table(groups) in text
    assert "](pictures/costs-root-kept.svg)" in text
    root_disks.picture(groups, tmp_path / "drawn.svg")
    assert (tmp_path / "drawn.svg").read_text().count("12h") == (
        DOCS / "pictures/costs-root-kept.svg"
    ).read_text().count("12h")
