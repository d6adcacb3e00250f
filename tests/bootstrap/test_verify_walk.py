"""The walk of `cloudjhub verify`: its order, its end at Ctrl-C and failures, what it removes, and what it may cost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bootstrap.cli import verify as command
from bootstrap.config.settings import ClusterSettings, Manager, Network, Workers
from bootstrap.errors import Interrupted, LeftOver, Refused, StepFailed
from bootstrap.operations.verify import report, throwaway
from bootstrap.operations.verify.scene import newest_run
from bootstrap.operations.verify.stages import same_address, stopped_by
from bootstrap.operations.verify.verdict import (
    Judged,
    Observation,
    Verdict,
    confirmed,
    not_observed,
    refuted,
)
from bootstrap.operations.verify.walk import INTERRUPTED, Walked, by_an_emulator, walk
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import NOTHING

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SEEN = Observation("rules-kept", confirmed("they are"))
THROTTLED = ClientError({"Error": {"Code": "Throttling", "Message": "slow down"}}, "DeleteStack")


class Course:
    """Stages and a removal that note their order; a second passes at each look at the clock."""

    def __init__(
        self, *raised: BaseException | None, removals: Sequence[BaseException | None] = (None,)
    ) -> None:
        self.done: list[str] = []
        self.now = NOW
        self._raised = raised
        self._removals = iter(removals)

    def clock(self) -> datetime:
        self.now += SECOND
        return self.now

    def walk(self, allowed: timedelta = timedelta(hours=1)) -> Walked:
        stages = [(f"stage {number}", self._stage(number, one)) for number, one in enumerate(self._raised)]
        return walk(stages, ("down", self._down), NOW + allowed, self.clock, lambda _: None)

    def _stage(self, number: int, raised: BaseException | None) -> Callable[[], Iterator[Observation]]:
        def do() -> Iterator[Observation]:
            self.done.append(f"stage {number}")
            yield SEEN
            if raised:
                raise raised

        return do

    def _down(self) -> Iterator[Observation]:
        self.done.append("down")
        if raised := next(self._removals):
            raise raised
        yield Observation("stacks-deleted", confirmed("all"))


def test_every_stage_then_the_removal() -> None:
    course = Course(None, None)
    walked = course.walk()
    assert course.done == ["stage 0", "stage 1", "down"]
    assert [step for step, _ in walked.steps] == course.done
    assert [one.id for one in walked.observed] == ["rules-kept", "rules-kept", "stacks-deleted"]
    assert (walked.failed, walked.left) == ("", False)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), Interrupted("up was interrupted")])
def test_ctrl_c_removes_what_was_built(raised: BaseException) -> None:
    """And what was seen before is reported."""
    course = Course(raised, None)
    walked = course.walk()
    assert course.done == ["stage 0", "down"]
    assert (walked.failed, walked.left) == (INTERRUPTED, False)
    assert walked.observed[0] == SEEN


@pytest.mark.parametrize("raised", [StepFailed("no image"), THROTTLED, Refused("no capacity")])
def test_a_failure_removes_what_was_built(raised: Exception) -> None:
    course = Course(raised, None)
    walked = course.walk()
    assert course.done == ["stage 0", "down"]
    assert walked.failed
    assert not walked.left


def test_an_error_of_ours_removes_what_was_built_and_is_raised() -> None:
    course = Course(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        course.walk()
    assert course.done == ["stage 0", "down"]


def test_no_stage_begins_when_the_time_is_over() -> None:
    course = Course(None, None, None)
    walked = course.walk(timedelta(seconds=4))
    assert course.done == ["stage 0", "down"]
    assert "spending limit" in walked.failed


def test_a_removal_that_fails_is_tried_again() -> None:
    course = Course(None, removals=(StepFailed("in use"), THROTTLED, None))
    walked = course.walk()
    assert course.done == ["stage 0", "down", "down", "down"]
    assert (walked.failed, walked.left) == ("", False)


def test_what_is_left_is_named() -> None:
    walked = Course(StepFailed("no image"), removals=[LeftOver("left: volume vol-1")] * 3).walk()
    assert walked.left
    assert walked.failed.startswith("no image; not removed: left: volume vol-1: run `cloudjhub verify` again")


def test_a_second_ctrl_c_ends_the_removal_and_says_what_to_do() -> None:
    course = Course(KeyboardInterrupt(), removals=(KeyboardInterrupt(),))
    walked = course.walk()
    assert course.done == ["stage 0", "down"]
    assert walked.left
    assert "run `cloudjhub verify` again, which removes what is left" in walked.failed


@pytest.mark.parametrize(
    ("walked", "error", "code"),
    [
        (Walked(failed=INTERRUPTED), Interrupted, 130),
        (Walked(failed="no image"), StepFailed, 1),
        (Walked(failed="interrupted; not removed", left=True), LeftOver, 5),
    ],
)
def test_exit_codes(walked: Walked, error: type[Any], code: int) -> None:
    with pytest.raises(error) as raised:
        command._judge(walked, {"assumptions": []})
    assert raised.value.exit_code == code


@pytest.mark.parametrize(
    ("judged", "verdict"),
    [
        (confirmed("so"), Verdict.NOT_OBSERVED),
        (refuted("not so"), Verdict.REFUTED),
        (not_observed("unknown"), Verdict.NOT_OBSERVED),
    ],
)
def test_an_emulator_confirms_nothing(judged: Judged, verdict: Verdict) -> None:
    assert by_an_emulator(Observation("rules-kept", judged)).judged.verdict is verdict


def test_what_was_refuted_once_is() -> None:
    """And what was seen once was seen; of equals the later one counts."""
    looks = [not_observed("1"), confirmed("2"), confirmed("3"), not_observed("4")]
    found = report.strongest([Observation("a", one) for one in looks])
    assert found["a"].judged == confirmed("3")
    found = report.strongest([Observation("a", refuted("1")), Observation("a", confirmed("2"))])
    assert found["a"].judged == refuted("1")


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ({"i-1": "10.0.0.5"}, {"i-1": "10.0.0.5"}, Verdict.CONFIRMED),
        ({"i-1": "10.0.0.5"}, {"i-1": "10.0.0.6"}, Verdict.REFUTED),
        ({"i-1": "10.0.0.5"}, {"i-2": "10.0.0.5"}, Verdict.NOT_OBSERVED),
    ],
)
def test_addresses(before: dict[str, str], after: dict[str, str], verdict: Verdict) -> None:
    assert same_address(before, after).verdict is verdict


def entry(kind: Kind, function: str) -> Entry:
    why: dict[str, Any] = {"reason": "idle", "message": NOTHING, "evidence": {"function": function}}
    return Entry(key="verify", at=NOW, kind=kind, instance_id="i-1", **why)


def test_the_function_of_the_newest_stop() -> None:
    entries = [entry(Kind.RUN, "x"), entry(Kind.STOP, "cloudjhub-a-sweep"), entry(Kind.STOP, "older")]
    assert stopped_by(entries) == "cloudjhub-a-sweep"
    assert stopped_by([]) == ""


def test_a_stopped_machine_reports_nothing() -> None:
    """Its newest run begins after the last gap of more periods than may be missed."""
    times = [NOW + number * SECOND for number in (0, 1, 2, 10, 12, 15)]
    assert newest_run(times, SECOND) == times[3:]
    assert newest_run(times[:3], SECOND) == times[:3]
    assert newest_run([], SECOND) == []


LIKE = ClusterSettings(
    cluster="spring",
    region="eu-west-1",
    owner="Prof. Sky",
    users=200,
    alerts="sky@example.org",
    tags={"CostCenter": "48"},
    role_path="/project/",
    network=Network(name="spring"),
    workers=Workers(types=("m7i.large", "t3.large"), home_disk=50, packages=("pandas",)),
    manager=Manager(domain="hub.example.org", type="t3.medium"),
)


def test_the_throw_away_cluster_is_small_and_has_names_of_its_own() -> None:
    """With the institution's tags and roles, and nothing that reaches its users: no domain, no mail."""
    found = throwaway.settings("us-west-2", LIKE, Path("users"))
    assert (found.cluster, found.network.name, found.region) == (throwaway.NAME, throwaway.NAME, "us-west-2")
    assert found.tags == {"CostCenter": "48", throwaway.MARK: "throw-away"}
    assert found.role_path == "/project/"
    assert found.workers.types == ("t3.small",)
    assert (found.workers.packages, found.manager.domain, found.alerts, found.users) == ((), "", "", 1)
    assert throwaway.settings("us-west-2", None, Path("users")).workers.types == ("t4g.small",)


def test_an_existing_network_is_used() -> None:
    subnets = "subnet-0123456789abcdef0", "subnet-0123456789abcdef1"
    own = Network(
        name="spring", vpc="vpc-0123456789abcdef0", manager_subnet=subnets[0], worker_subnets=subnets[1:]
    )
    assert throwaway.settings("eu-west-1", replace(LIKE, network=own), Path("users")).network == own


def test_the_limit_is_a_time() -> None:
    """Never longer than three hours, and refused where it is less than the walk needs."""
    small = throwaway.settings("us-east-1", None, Path("users"))
    needed = throwaway.dollars(small, throwaway.TAKES)
    assert 0.05 < needed < 0.5, "about a dollar is plenty"
    assert throwaway.may_take(small, needed) == throwaway.TAKES
    assert throwaway.may_take(small, 100.0) == throwaway.LONGEST
    with pytest.raises(Refused, match="set a higher --limit"):
        throwaway.may_take(small, needed * 0.99)
