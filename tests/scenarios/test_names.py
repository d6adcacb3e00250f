"""Hostile user names get a machine and files of their own, or a clear refusal."""

from pathlib import Path

import pytest

from tests.scenarios.cloud import LocalCloud
from tests.scenarios.person import LoginRefused, Person

pytestmark = pytest.mark.cloud

ACCEPTED_OR_REFUSED = [
    "$(touch pwned)",
    "`touch pwned`; touch pwned",
    "a b' \" & | > x",
    "josé 雪",
    "x" * 255,
    "x" * 256,
    "..",
    "../../etc/passwd",
    "a/b",
    "tab\tname",
]
SAME_SLUG = ["dot.dash", "dot-dash", "dot_dash"]


def log_in(cloud: LocalCloud, name: str) -> Person | None:
    try:
        return cloud.person(name)
    except LoginRefused as refusal:
        page = str(refusal)
    assert "user name" in page.lower() or "username" in page.lower(), "the page says why"
    return None


def test_hostile_names_get_their_own_machine_or_a_clear_refusal(cloud: LocalCloud, tmp_path: Path) -> None:
    names = ACCEPTED_OR_REFUSED + SAME_SLUG
    people = [person for name in names if (person := log_in(cloud, name))]
    assert {person.name for person in people} >= set(SAME_SLUG)
    refused = set(names) - {person.name for person in people}
    assert {"..", "../../etc/passwd", "a/b", "x" * 256, "tab\tname"} <= refused
    for person in people:
        person.request_start()
    for person in people:
        person.await_ready()
        person.write("mine.txt", person.name)
    for person in people:
        assert person.read("mine.txt") == person.name
    instances = [cloud.recorded(person.name)["instance"] for person in people]
    assert len(set(instances)) == len(people), "a machine each"
    assert not list(cloud.state_dir.rglob("pwned")), "no name reached a shell"
    for person in people:
        person.stop()
