"""AWS on a bad day: what the user is told, and that everything is well once AWS is well again."""

import itertools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.scenarios.cloud import LocalCloud
from tests.scenarios.person import Person, SpawnFailed
from tests.shared.waiting import PATIENCE

pytestmark = pytest.mark.cloud


@dataclass(frozen=True)
class Patient:
    """Waits for a machine that runs and never answers."""

    person: Person
    dead: str
    """The machine's instance."""
    progress: "Future[list[dict[str, Any]]]"
    """What the login is shown until the server is ready; followed from its beginning, whenever that is over."""


@pytest.fixture(scope="module")
def patient(cloud: LocalCloud) -> Iterator[Patient]:
    """The hub sees after a while that the machine does not answer, so this login begins before the other tests."""
    person = cloud.person("norbert")
    with ThreadPoolExecutor() as pool:
        with cloud.faults("dead-instance"):
            person.request_start()
            progress = pool.submit(person.await_ready)
            dead = cloud.await_state("norbert", "running")["instance"]
        yield Patient(person, dead, progress)


def test_without_capacity_a_login_says_so_and_works_later(cloud: LocalCloud, patient: Patient) -> None:
    """For a new machine and for one that was stopped."""
    person = cloud.person("ursula")
    with cloud.faults("capacity"):
        assert_plain(failure(person), "AWS has no machine", "Try again")
        page = person.page("/user/ursula/lab").text
        assert "AWS has no machine" in page
        assert "Traceback" not in page
        assert not cloud.instances("ursula")
    person.start()
    person.write("kept.txt", "mine")
    first = cloud.await_state("ursula", "running")["instance"]
    person.stop()
    cloud.await_state("ursula", "stopped")

    with cloud.faults("capacity"):
        assert_plain(failure(person), "AWS has no machine", "Your files are safe")
    person.start()
    assert person.read("kept.txt") == "mine"
    assert [instance["InstanceId"] for instance in cloud.instances("ursula")] == [first]


def test_a_throttled_login_goes_on_when_aws_lets_it(cloud: LocalCloud, patient: Patient) -> None:
    """The hub tries again, and launches one machine however often it asked."""
    person = cloud.person("trudy")
    seen = len(throttled(cloud))
    with cloud.faults("throttling"):
        person.request_start()
        cloud.await_true("the hub was throttled and tried again", lambda: len(throttled(cloud)) >= seen + 3)
        assert person.servers()[""]["pending"] == "spawn"
    person.await_ready()
    kernel = person.open_kernel()
    assert person.run_cell(kernel, "print(6 * 7)") == "42\n"
    assert len(cloud.instances("trudy")) == 1


def test_a_login_waits_for_a_slow_machine_and_tells_where_it_is(cloud: LocalCloud, patient: Patient) -> None:
    """Every step is told once, and the bar stands still where nothing happens."""
    person = cloud.person("quentin")
    with ExitStack() as boot:
        boot.enter_context(cloud.faults("slow-boot", seconds=PATIENCE))
        person.request_start()
        [pending] = cloud.await_true("its machine", lambda: cloud.instances("quentin"))
        assert pending["State"]["Name"] == "pending"
        events = person.await_ready(at="is booting", then=boot.close)
    messages = [event["message"] for event in events]
    steps = [
        "Requesting a new machine",
        "Your machine is booting",
        "Your machine has booted and is starting JupyterLab",
        "JupyterLab answers",
    ]
    assert [message for message in messages if message in steps] == steps
    percents = [event["progress"] for event in events]
    assert all(earlier <= later for earlier, later in itertools.pairwise(percents)), percents
    cloud.await_true("its record says so", lambda: cloud.worker("quentin").get("state") == "running")


def test_a_machine_that_never_answers_is_stopped_and_started_again_by_the_same_login(
    cloud: LocalCloud, patient: Patient
) -> None:
    """The user has only to wait."""
    person, events = patient.person, patient.progress.result(PATIENCE)
    assert any("does not answer. Stopping it and starting it again" in event["message"] for event in events)
    kernel = person.open_kernel()
    assert person.run_cell(kernel, "print(6 * 7)") == "42\n"
    assert [instance["InstanceId"] for instance in cloud.instances("norbert")] == [patient.dead]


def failure(person: Person) -> str:
    """What a login that fails says."""
    with pytest.raises(SpawnFailed) as failed:
        person.start()
    return str(failed.value)


def assert_plain(message: str, *words: str) -> None:
    """The message holds these words, and nothing that only a programmer reads."""
    for word in words:
        assert word in message
    for word in ("Traceback", "Error", "botocore", "Exception", "HTTP 5"):
        assert word not in message, message


def throttled(cloud: LocalCloud) -> list[object]:
    """The hub's calls that EC2 refused because of their number."""
    return [
        call
        for action in (
            "RunInstances",
            "DescribeInstances",
            "DescribeImages",
            "DescribeSubnets",
            "DescribeVolumes",
        )
        for call in cloud.calls(action)
        if call["error"] == "RequestLimitExceeded" and "manager" in call["principal"]
    ]
