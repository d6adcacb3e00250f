"""A gesture is a person's act, once a minute; a page that reports gestures says so in its sockets' addresses."""

from datetime import UTC, datetime, timedelta

import pytest

from bootstrap.worker.gestures import DONE, EVERY, Gestures, is_from_page

START = datetime(2026, 11, 30, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("later", "counts"),
    [
        (timedelta(0), False),
        (EVERY - SECOND, False),
        (EVERY, True),
        (EVERY + SECOND, True),
        (-SECOND, True),
    ],
)
def test_one_gesture_a_minute_counts_whatever_a_page_sends(later: timedelta, counts: bool) -> None:
    now = [START]
    gestures = Gestures(lambda: now[0])
    assert gestures.made() == DONE
    now[0] += later
    assert (gestures.made() is not None) is counts


def test_gestures_are_reported_once_a_page_has_asked_or_reported() -> None:
    asked, reported = Gestures(lambda: START), Gestures(lambda: START)
    assert not asked.are_reported
    asked.heard()
    reported.made()
    assert asked.are_reported
    assert reported.are_reported


@pytest.mark.parametrize(
    ("query", "is_one"),
    [
        ("session_id=s&cloudjhub_gestures=1", True),
        ("session_id=s", False),
        ("session_id=cloudjhub_gestures", False),
        ("", False),
    ],
)
def test_a_socket_says_whether_its_page_reports_gestures(query: str, is_one: bool) -> None:
    assert is_from_page(query) is is_one
