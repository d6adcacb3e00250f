"""Spin searches every interleaving of stop and start: no user is hurt, and without any one guard a user is."""

from pathlib import Path

import pytest

from tests.protocol import spin

pytestmark = pytest.mark.skipif(
    bool(spin.missing()),
    reason=f"not installed: {', '.join(spin.missing())}; `make setup-test` as root does it",
)

REQUESTS = ("REQUESTS", "NO_SWEEP")
FORCE = ("FORCE", "NO_SWEEP")
REMOVE = ("REMOVE", "NO_SWEEP")
KEEP = ("KEEP", "NO_SWEEP")
DECIDERS = {
    "alarm and sweep": (),
    "alarm, a person and a login that gives its machine up": REQUESTS,
    "alarm, and a stop by force": FORCE,
    "alarm, and the removal of a stopped machine": REMOVE,
    "alarm, and a user who keeps the machine": KEEP,
}
PATIENT = {
    "alarm and sweep": (),
    "a person and a login that gives its machine up": ("NO_ALARM", *REQUESTS),
    "alarm, and the removal of a stopped machine": REMOVE,
}
GUARDS = {
    "DRAIN_FIRST": (),
    "READ_FIRST": (),
    "READ_STALE": (),
    "CLAIM_ANYHOW": (),
    "SHORT_LEASE": (),
    "TRUST_EC2": (),
    "EVENT_UNCLAIMS": (),
    "NEVER_WITHDRAWN": REQUESTS,
    "FORCE_UNCLAIMED": FORCE,
    "REMOVE_UNASKED": REMOVE,
    "REMOVE_UNCLAIMED": REMOVE,
    "REMOVE_UNSEEN": REMOVE,
    "LAUNCH_BLINDLY": REMOVE,
    "KEEP_UNMARKED": KEEP,
    "KEEP_ANYHOW": KEEP,
    "KEEP_UNREAD": KEEP,
}
ASSUMPTIONS = ("HUB_SEEMS_DOWN", "UNREPORTED", "QUICK_BOOT", "LATE_EVENT")


@pytest.mark.parametrize("deciders", DECIDERS)
def test_no_stop_hits_a_newer_login_or_activity(deciders: str, tmp_path: Path) -> None:
    found = spin.search(tmp_path, DECIDERS[deciders])
    assert found.is_complete, found.said
    assert found.errors == 0, found.said
    assert found.states > 100_000, "a model in which little can happen shows little"


@pytest.mark.parametrize("deciders", PATIENT)
def test_no_login_waits_without_end(deciders: str, tmp_path: Path) -> None:
    found = spin.search(tmp_path, PATIENT[deciders], patience=True)
    assert found.is_complete, found.said
    assert found.errors == 0, found.said


@pytest.mark.parametrize("guard", GUARDS)
def test_without_the_guard_a_user_is_hurt(guard: str, tmp_path: Path) -> None:
    assert spin.refutes(tmp_path, (guard, *GUARDS[guard])), "the guard is not needed, or not in the model"


def test_with_a_lease_that_never_ends_a_login_waits_without_end(tmp_path: Path) -> None:
    assert spin.refutes(tmp_path, ("WITHOUT_END", "NO_SWEEP"), patience=True)


@pytest.mark.parametrize("assumption", ASSUMPTIONS)
def test_what_is_assumed_is_needed(assumption: str, tmp_path: Path) -> None:
    """Where the promise ends: each of these is a limit that docs/reliability.md has to name."""
    assert spin.refutes(tmp_path, (assumption,)), "the assumption can be dropped"


def test_every_name_in_the_model_is_searched_with() -> None:
    text = spin.MODEL.read_text(encoding="utf-8")
    names = {line.split()[1] for line in text.splitlines() if line.startswith(("#ifdef", "#ifndef"))}
    assert names - {
        "PATIENCE",
        "WITHOUT_END",
        "REQUESTS",
        "FORCE",
        "REMOVE",
        "KEEP",
        "NO_SWEEP",
        "NO_ALARM",
    } == {
        *GUARDS,
        *ASSUMPTIONS,
    }
