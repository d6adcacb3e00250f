"""A user's files survive everything short of deleting them (I10): a list of what befalls the machine.

That `down` keeps the home disks is in test_building.py.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.scenarios.account import Account, Cluster
from tests.scenarios.killing import crash, power_off
from tests.scenarios.person import Person
from tests.shared.addresses import free_port

pytestmark = pytest.mark.cloud

USER = "ann"
# A megabyte, an empty file, one in a folder, a hidden one, one with a name, a program.
SOW = """
import os, pathlib
home = pathlib.Path.home()
(home / "thesis" / "figures").mkdir(parents=True)
(home / "data.bin").write_bytes(os.urandom(1_000_000))
(home / "empty").touch()
(home / "thesis" / "figures" / "one.txt").write_text("precious")
(home / ".settings").write_text("hidden")
(home / "año 2026 «Ω».txt").write_text("named")
(home / "run.sh").write_text("#!/bin/sh\\n")
(home / "run.sh").chmod(0o750)
(home / "latest").symlink_to("thesis/figures/one.txt")
"""
REAP = """
import hashlib, json, pathlib
home = pathlib.Path.home()
mine = ["data.bin", "empty", "thesis/figures/one.txt", ".settings", "año 2026 «Ω».txt", "run.sh", "latest"]
print(json.dumps({
    name: [hashlib.sha256((home / name).read_bytes()).hexdigest(), oct((home / name).stat().st_mode)]
    for name in mine
}))
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of its own, for its image and its manager change."""
    account = Account(
        tmp_path_factory.mktemp("account"), free_port(), "--boot-time", "0.5", "--stop-time", "0.5"
    )
    try:
        account.up()
        cluster = account.cluster("course", port=free_port(), private_address=f"127.{account.network}.0.20")
        cluster.up()
        yield cluster
    finally:
        account.down()


@pytest.fixture(scope="module")
def ann(course: Cluster) -> Person:
    """A user with files, at work."""
    person = course.person(USER)
    person.start()
    person.run_cell(person.open_kernel(), SOW)
    return person


def stop_is_pressed(course: Cluster, ann: Person) -> None:
    ann.stop()
    await_machine(course, "stopped")


def the_machine_shuts_itself_down(course: Cluster, ann: Person) -> None:
    power_off(course.account, machine(course)["InstanceId"])
    await_machine(course, "stopped")


def the_machine_is_stopped_by_hand(course: Cluster, ann: Person) -> None:
    course.account.client("ec2").stop_instances(InstanceIds=[machine(course)["InstanceId"]], Force=True)
    await_machine(course, "stopped")


def everything_on_the_machine_is_killed(course: Cluster, ann: Person) -> None:
    crash(course.account, machine(course)["InstanceId"])
    ann.stop()
    await_machine(course, "stopped")


def the_machine_is_terminated_by_hand(course: Cluster, ann: Person) -> None:
    course.account.client("ec2").terminate_instances(InstanceIds=[machine(course)["InstanceId"]])
    course.account.await_true("the machine is gone", lambda: not course.account.instances(USER))


def the_operator_terminates_the_worker(course: Cluster, ann: Person) -> None:
    course.ok("workers", "terminate", USER, "--yes")
    assert not course.account.instances(USER)


def the_image_is_rebuilt(course: Cluster, ann: Person) -> None:
    stop_is_pressed(course, ann)
    course.ok("image", "build", "--force", "--json")
    assert not course.account.instances(USER), "the machine of the old image went"


def the_manager_is_replaced(course: Cluster, ann: Person) -> None:
    course.edit(workers={"named_servers": 1})
    assert course.up()["changed"] == ["manager"]
    course.account.await_true("the new hub answers", course.hub_answers)


FATES: list[Callable[[Cluster, Person], None]] = [
    stop_is_pressed,
    the_machine_shuts_itself_down,
    the_machine_is_stopped_by_hand,
    everything_on_the_machine_is_killed,
    the_machine_is_terminated_by_hand,
    the_operator_terminates_the_worker,
    the_image_is_rebuilt,
    the_manager_is_replaced,
]


@pytest.mark.parametrize("fate", FATES, ids=lambda fate: fate.__name__)
def test_every_file_is_there_after(
    course: Cluster, ann: Person, fate: Callable[[Cluster, Person], None]
) -> None:
    """Same bytes, same modes, on the same home disk; and the user was not logged out."""
    start(course, ann)
    disk, files = home_disk(course), told(ann)
    fate(course, ann)
    start(course, ann)
    assert told(ann) == files
    assert home_disk(course) == disk
    assert ann.is_logged_in()


def start(course: Cluster, ann: Person) -> None:
    """Return when ann's server serves, started if it does not run."""

    def is_known() -> bool:
        """Whether the hub knows what became of the machine; until then it shows a server that is not there."""
        server = ann.servers().get("", {})
        return not server or serves(ann)

    course.account.await_true("the hub knows of the machine", is_known)
    if not ann.servers():
        ann.start()


def serves(ann: Person) -> bool:
    try:
        return ann.has_server()
    except requests.RequestException:
        return False


def told(ann: Person) -> dict[str, list[str]]:
    """The files' checksums and modes, from a kernel on the machine."""
    return dict(json.loads(ann.run_cell(ann.open_kernel(), REAP)))


def machine(course: Cluster) -> dict[str, Any]:
    [one] = course.account.instances(USER)
    return one


def home_disk(course: Cluster) -> str:
    """The one disk that stays when the machine is terminated."""
    disks = [one["Ebs"] for one in machine(course)["BlockDeviceMappings"]]
    [disk] = [one["VolumeId"] for one in disks if not one["DeleteOnTermination"]]
    return str(disk)


def await_machine(course: Cluster, state: str) -> None:
    def look() -> bool:
        return [one["State"]["Name"] for one in course.account.instances(USER)] == [state]

    course.account.await_true(f"the machine is {state}", look)
