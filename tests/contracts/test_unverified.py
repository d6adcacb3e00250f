"""docs/unverified.md is made of the list of assumptions, and the checks observe what is in that list."""

from collections import Counter
from pathlib import Path

from bootstrap.operations.verify.__main__ import text
from bootstrap.operations.verify.assumptions import assumptions, sections
from bootstrap.operations.verify.checks import CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "unverified.md"


def test_the_page_is_made_of_the_list() -> None:
    assert PAGE.read_text(encoding="utf-8") == text(), "run `python -m bootstrap.operations.verify`"


def test_every_assumption_has_an_id_of_its_own_and_says_everything() -> None:
    listed = list(assumptions())
    assert [name for name, count in Counter(one.id for one in listed).items() if count > 1] == []
    assert all(one.assumed and one.why and one.check for one in listed)
    cells = [cell for one in listed for cell in (one.assumed, one.why)]
    assert not [cell for cell in cells if "|" in cell], "a | ends the table's cell"


def test_every_check_observes_an_assumption() -> None:
    assert set(CHECKS) <= {one.id for one in assumptions()}
    assert len(CHECKS) > 12


def test_no_section_is_empty_without_saying_why() -> None:
    assert all(section.rows or section.about for section in sections())
