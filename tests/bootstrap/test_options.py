"""Options of the command line: durations, and names with values."""

from datetime import timedelta

import click
import pytest

from bootstrap.cli.options import Duration, NameValue
from bootstrap.config.values import duration, duration_text


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172_800), ("0.5", 0.5), ("1.25s", 1.25)],
)
def test_a_fine_duration(given: str, seconds: float) -> None:
    assert Duration(fine=True).convert(given, None, None) == timedelta(seconds=seconds)


def test_a_duration_is_written_as_it_is_read() -> None:
    for written in ("90s", "15m", "1h", "2d", "0.5s", "1.25s", "0s"):
        assert (
            duration_text(timedelta(seconds=float(written[:-1])) if "." in written else duration(written))
            == written
        )


@pytest.mark.parametrize("given", ["", "soon", "-1", "0", "0s", "0.0", "1.5m", "1e9", "0.1234", "1234567.5"])
def test_what_is_not_a_fine_duration(given: str) -> None:
    with pytest.raises(click.UsageError, match="write"):
        Duration(fine=True).convert(given, None, None)


@pytest.mark.parametrize("given", ["0.5", "1.5s", "soon"])
def test_others_take_whole_seconds(given: str) -> None:
    with pytest.raises(click.UsageError, match="is not a duration"):
        Duration().convert(given, None, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("a=b", ("a", "b")), (" a = b=c ", ("a", "b=c")), ("idle-timeout=", ("idle-timeout", ""))],
)
def test_a_name_with_its_value(given: str, expected: tuple[str, str]) -> None:
    assert NameValue("cpu=10").convert(given, None, None) == expected


@pytest.mark.parametrize("given", ["", "a", "=b", "a b=c"])
def test_what_is_not_a_name_with_its_value(given: str) -> None:
    with pytest.raises(click.UsageError, match="write NAME=VALUE, like cpu=10"):
        NameValue("cpu=10").convert(given, None, None)
