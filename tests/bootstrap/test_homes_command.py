"""`homes`: grown by the operator, and moved to another name, interrupted or not, without ever having two owners."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bootstrap.aws.instances import tags_of
from bootstrap.cli.homes import homes
from bootstrap.errors import BootstrapError, Refused, SettingsError
from bootstrap.operations import home_move
from bootstrap.operations import homes as operations
from lifecycle_app.model.worker import State
from tests.bootstrap.clusters import REGION, Built, built


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Built]:
    with built(monkeypatch, tmp_path) as made:
        yield made


def owners(cluster: Built, volume: str) -> list[str]:
    """The workers whose records have the disk."""
    return [one.key for one in cluster.store.all_workers() if one.home_volume == volume]


def volume_of(cluster: Built, volume: str) -> Any:
    return cluster.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]


def test_homes_are_listed_and_grown_and_never_become_smaller(cluster: Built) -> None:
    alice = cluster.worker("alice")
    home = str(alice.home_volume)
    [row] = json.loads(cluster.run(homes, "list", "--json").output)
    assert row == {"key": "alice", "volume": home, "size": 1, "state": "in-use", "latest_backup": None}
    assert "dry run" in cluster.run(homes, "grow", "alice", "9", "--dry-run").output
    assert volume_of(cluster, home)["Size"] == 1
    assert "grows from 1 to 9 GB" in cluster.run(homes, "grow", "alice", "9").output
    assert volume_of(cluster, home)["Size"] == 9
    for size in ("9", "8", "0", "16385"):
        with pytest.raises(SettingsError, match="give a size from 10 to 16384"):
            cluster.run(homes, "grow", "alice", size)
    with pytest.raises(SettingsError, match="bob has no home disk"):
        cluster.run(homes, "grow", "bob", "9")


@pytest.mark.parametrize("code", sorted(operations.NOT_NOW))
def test_what_ec2_does_not_change_now_is_said(
    code: str, cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.worker("alice")

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "ModifyVolume")

    monkeypatch.setattr(cluster.site.aws.client("ec2"), "modify_volume", refuse)
    home = operations.Home("alice", "vol-1", 1, "in-use")
    with pytest.raises(Refused, match=r"the home of alice .* cannot grow now: .*: try again"):
        operations.grow(cluster.site, home, 2)


def test_a_home_is_moved_to_another_name_and_its_machine_terminated(cluster: Built) -> None:
    old, other = cluster.worker("alt", state=State.STOPPED), cluster.worker("bob", state=State.STOPPED)
    home = str(old.home_volume)
    assert "dry run" in cluster.run(homes, "move", "alt", "neu", "--dry-run").output
    assert owners(cluster, home) == ["alt"]
    cluster.run(homes, "move", "alt", "neu", "--yes")
    assert owners(cluster, home) == ["neu"]
    new = cluster.store.get("neu")
    assert new is not None
    assert (new.state, new.zone, new.home_attached) == (State.TERMINATED, f"{REGION}a", True)
    assert tags_of(volume_of(cluster, home))["cloudjhub:user"] == "neu"
    assert cluster.states() == {old.instance_id: "terminated", other.instance_id: "stopped"}
    assert owners(cluster, str(other.home_volume)) == ["bob"]
    cluster.run(homes, "move", "neu", "alt", "--yes")
    assert owners(cluster, home) == ["alt"], "back again, to a record that is there"


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("step", ["terminate", "change_record", "_record"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupted_move_is_completed_by_the_same_command(
    step: str, when: str, cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = str(cluster.worker("alt", state=State.STOPPED).home_volume)
    act: Callable[..., None] = getattr(home_move, step)

    def interrupted(*given: Any, **more: Any) -> None:
        if when == "after":
            act(*given, **more)
        raise Interrupted

    monkeypatch.setattr(home_move, step, interrupted)
    cluster.run(homes, "move", "alt", "neu", "--yes")
    assert len(owners(cluster, home)) <= 1
    assert volume_of(cluster, home)["State"] in ("in-use", "available")
    monkeypatch.setattr(home_move, step, act)
    if owners(cluster, home) != ["neu"]:
        cluster.run(homes, "move", "alt", "neu", "--yes")
    assert owners(cluster, home) == ["neu"]


@pytest.mark.parametrize(
    ("names", "error", "why"),
    [
        (("alt", "alt"), SettingsError, "give another name"),
        (("alt", "a/b"), SettingsError, "give another name"),
        (("alt", "..."), SettingsError, "only of dots"),
        (("alt", "bob"), Refused, "bob has a machine or home already"),
        (("runs", "neu"), Refused, "runs is running: `cloudjhub workers stop runs` first"),
        (("stranger", "neu"), SettingsError, "stranger has no home disk"),
    ],
)
def test_what_cannot_be_moved_is_refused_before_anything_is_done(
    names: tuple[str, str], error: type[BootstrapError], why: str, cluster: Built
) -> None:
    for key in ("alt", "bob"):
        cluster.worker(key, state=State.STOPPED)
    cluster.worker("runs")
    before, records = cluster.states(), cluster.store.all_workers()
    with pytest.raises(error, match=why):
        cluster.run(homes, "move", *names, "--yes")
    assert (cluster.states(), cluster.store.all_workers()) == (before, records)


def test_a_move_asks_first(cluster: Built) -> None:
    home = str(cluster.worker("alt", state=State.STOPPED).home_volume)
    cluster.run(homes, "move", "alt", "neu", typed="n\n")
    assert owners(cluster, home) == ["alt"]
