"""The fleet: who runs, who is due."""

import pytest

from benchmarks.peers.fleet import Fleet, fleet_of, instance_id, number_of, user_name


@pytest.mark.parametrize(
    ("number", "runs", "is_due"), [(0, True, True), (1, True, True), (2, True, False), (3, False, False)]
)
def test_the_first_run_and_the_first_of_them_are_due(number: int, runs: bool, is_due: bool) -> None:
    fleet = Fleet(users=5, running=3, due=2)
    assert (fleet.runs(number), fleet.is_due(number)) == (runs, is_due)


@pytest.mark.parametrize(("users", "running", "due"), [(5, 6, 1), (5, 3, 4), (5, 3, -1)])
def test_an_impossible_fleet_is_refused(users: int, running: int, due: int) -> None:
    with pytest.raises(ValueError, match="is not a fleet"):
        Fleet(users=users, running=running, due=due)


def test_a_fifth_of_all_users_run() -> None:
    assert fleet_of(200, 10) == Fleet(users=1_000, running=200, due=10)


@pytest.mark.parametrize(
    ("stopped", "rightly"),
    [([1, 0], True), ([0], False), ([0, 1, 2], False), ([0, 1, 1], False), ([0, 2], False)],
)
def test_all_that_are_due_and_no_other_once(stopped: list[int], rightly: bool) -> None:
    assert Fleet(users=5, running=3, due=2).has_stopped_rightly(stopped) == rightly


@pytest.mark.parametrize("number", [0, 10, 99_999])
def test_names_and_ids_lead_back_to_the_user(number: int) -> None:
    assert number_of(user_name(number)) == number_of(instance_id(number)) == number
