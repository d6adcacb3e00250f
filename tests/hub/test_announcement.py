"""What an administrator tells all users."""

from datetime import timedelta

import pytest

from hub.config.announcement import LONGEST, announcement, parse, to_json
from tests.hub.fakes import NOON


@pytest.mark.parametrize("until", [None, NOON])
def test_what_is_written_is_read(until: object) -> None:
    said = announcement("  Exam on  Friday\n", "danger", until)  # type: ignore[arg-type]  # of two types
    assert said.text == "Exam on Friday"
    assert parse(to_json(said)) == said


def test_it_ends_at_its_time() -> None:
    said = announcement("Exam", "info", NOON)
    assert not said.is_over(NOON - timedelta(seconds=1))
    assert said.is_over(NOON)
    assert not announcement("Exam", "info", None).is_over(NOON)


@pytest.mark.parametrize("text", ["", "  ", "x" * (LONGEST + 1), "a\u202eb", "a\x1b[31mb"])
def test_texts_are_bounded_and_printable(text: str) -> None:
    with pytest.raises(ValueError, match="printable characters"):
        announcement(text, "info", None)


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{}", '{"text": 1}', '{"text": "a", "until": "x"}', '{"text": "a", "until": true}',
     '{"text": "a", "until": 1e300}', '{"text": "a", "until": Infinity}', '{"text": "a", "level": "script"}'],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(document)
