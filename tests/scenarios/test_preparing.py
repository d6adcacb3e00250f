"""Machines that are made before the first lesson: its logins launch nothing, and whoever comes early is not cut off."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from benchmarks.bench import counting
from benchmarks.bench.counting import HUB, OPERATOR
from benchmarks.bench.logins import calls_of
from benchmarks.bench.visitor import visitor
from tests.scenarios.cloud import REPOSITORY, LocalCloud
from tests.shared.waiting import PATIENCE

pytestmark = pytest.mark.cloud


def command(cloud: LocalCloud, *words: str) -> list[str]:
    file = str(cloud.state_dir / "cluster.yaml")
    return [sys.executable, "-m", "bootstrap", "workers", *words, "--file", file]


def operators(cloud: LocalCloud) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **cloud.told["environment"]}


def prepare(cloud: LocalCloud, *names: str) -> dict[str, str]:
    """What became of each."""
    done = subprocess.run(
        command(cloud, "prepare", *names, "--yes", "--json"),
        cwd=REPOSITORY,
        env=operators(cloud),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}\n{cloud.logs()}"
    return {row["worker"]: row["outcome"] for row in json.loads(done.stdout)}


def made(cloud: LocalCloud, act: Callable[[], object], who: str) -> Counter[str]:
    return Counter(counting.made_by(calls_of(cloud, act), who, "ec2:"))


def test_a_login_starts_what_was_prepared(cloud: LocalCloud) -> None:
    early = ["prepared1", "prepared2"]
    told: dict[str, str] = {}
    calls = calls_of(cloud, lambda: told.update(prepare(cloud, *early)))
    by_hub, by_operator = (Counter(counting.made_by(calls, who, "ec2:")) for who in (HUB, OPERATOR))
    assert told == dict.fromkeys(early, "stopped")
    assert by_hub["ec2:RunInstances"] == 2
    assert by_hub["ec2:StopInstances"] == by_hub["ec2:StartInstances"] == 0, "the lifecycle app stops"
    assert not [name for name in by_operator if not name.startswith("ec2:Describe")], "the operator only asks"
    for name in early:
        [instance] = cloud.instances(name)
        assert instance["State"]["Name"] == "stopped"
        assert cloud.recorded(name)["instance"] == instance["InstanceId"]
        assert cloud.stopped_by(name) == {"person"}

    [before] = cloud.instances(early[0])
    cloud.keep(early[0])
    who = visitor(cloud, early[0])
    assert made(cloud, who.start, HUB) == {"ec2:StartInstances": 1}
    assert who.run_cell(who.open_kernel(), "print(6 * 7)") == "42\n"
    [after] = cloud.instances(early[0])
    assert after["InstanceId"] == before["InstanceId"]

    assert made(cloud, lambda: told.update(prepare(cloud, *early)), HUB)["ec2:RunInstances"] == 0
    assert told == dict.fromkeys(early, "has one")
    assert cloud.worker(early[0])["state"] == "running"
    who.stop()


def test_whoever_logs_in_while_the_machine_boots_keeps_it(cloud: LocalCloud) -> None:
    """One machine for both, and no stop."""
    cloud.keep("earlybird")
    with cloud.faults("slow-boot"):
        running = subprocess.Popen(
            command(cloud, "prepare", "earlybird", "--yes", "--json"),
            cwd=REPOSITORY,
            env=operators(cloud),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        cloud.await_true("the machine is launched", lambda: cloud.instances("earlybird"))
        who = visitor(cloud, "earlybird")
        who.start()
        said, errors = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, errors
    [row] = json.loads(said)
    assert row["outcome"] == "in use", row
    assert len(cloud.instances("earlybird")) == 1
    assert cloud.stopped_by("earlybird") == set()
    assert who.run_cell(who.open_kernel(), "print(6 * 7)") == "42\n"
    who.stop()
