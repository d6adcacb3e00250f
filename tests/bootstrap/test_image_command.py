"""`image`: built once for what it is made of, taken by stopped workers, listed; for people and for scripts."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cli.image import image
from bootstrap.errors import NotBuilt, SettingsError
from bootstrap.machines.image import building, images
from bootstrap.machines.image.request import ROLE_IMAGE, TAG_VERSION
from bootstrap.machines.launch import TAG_CONTENT
from lifecycle_app.contract import TAG_CLUSTER, TAG_ROLE
from lifecycle_app.model.worker import State
from tests.bootstrap.clusters import Built, built


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Built]:
    """A cluster whose images are registered at once, without a builder."""
    with built(monkeypatch, tmp_path) as made:
        monkeypatch.setattr(building, "wanted", lambda _site: SimpleNamespace(content="c1"))
        monkeypatch.setattr(building, "build", registered)
        yield made


def registered(site: Site, made_of: Any, now: datetime, tell: Report, *, again: bool = False) -> str:
    tell(f"building {made_of.content}{' again' * again}")
    tags = {TAG_CLUSTER: site.cluster, TAG_ROLE: ROLE_IMAGE, TAG_CONTENT: made_of.content}
    ec2 = site.aws.client("ec2")
    made = ec2.register_image(Name=f"{made_of.content} {now}", Architecture="x86_64")["ImageId"]
    listed: Any = [{"Key": k, "Value": v} for k, v in {**tags, f"{TAG_VERSION}jupyterlab": "4.6.6"}.items()]
    ec2.create_tags(Resources=[made], Tags=listed)
    return made


def document(cluster: Built, *words: str) -> Any:
    return json.loads(cluster.run(image, *words, "--json").stdout)


def test_it_is_built_once_and_stopped_workers_take_it(cluster: Built) -> None:
    alice = cluster.worker("alice", state=State.STOPPED)
    first = document(cluster, "build")
    assert (first["built"], first["image"]) == (True, images.current(cluster.site.aws, "spring"))
    assert first["workers"] == {"alice": {"instance": alice.instance_id, "becomes": "RENEW"}}
    assert cluster.states() == {alice.instance_id: "terminated"}
    assert document(cluster, "build") == {"image": first["image"], "built": False, "workers": {}}
    assert f"{first['image']} is up to date" in cluster.run(image, "build").stdout
    forced = document(cluster, "build", "--force")
    assert forced["built"]
    assert forced["image"] == images.current(cluster.site.aws, "spring") != first["image"]


def test_a_dry_run_builds_nothing(cluster: Built) -> None:
    assert document(cluster, "build", "--dry-run") == {"image": None, "built": True, "workers": {}}
    assert "would be built" in cluster.run(image, "build", "--dry-run").stdout
    assert images.images(cluster.site.aws, "spring") == []
    made = document(cluster, "build")["image"]
    assert document(cluster, "build", "--dry-run") == {"image": made, "built": False, "workers": {}}
    assert document(cluster, "build", "--dry-run", "--force")["built"]


def test_images_are_listed_with_what_they_hold(cluster: Built) -> None:
    assert document(cluster, "list") == []
    assert "cloudjhub image build" in cluster.run(image, "list").stdout
    old, new = document(cluster, "build")["image"], document(cluster, "build", "--force")["image"]
    cluster.worker("alice")
    found = {one["image"]: one for one in document(cluster, "list")}
    assert set(found) == {old, new}
    assert {name: one["current"] for name, one in found.items()} == {old: False, new: True}
    assert found[new]["versions"] == {"jupyterlab": "4.6.6"}
    assert found[new]["workers"] == 0
    more: Any = [
        {"Key": f"{TAG_VERSION}{name}", "Value": "1.2.3"} for name in ("jupyterhub", "nbgrader", "python")
    ]
    cluster.ec2.create_tags(Resources=[old, new], Tags=more)
    shown = cluster.run(image, "list").stdout
    assert {old, new} <= set(shown.split()), "whole, on 80 columns too"
    assert "in use" in shown
    assert "jupyterlab" in shown


def test_an_image_of_the_operators_is_not_built(cluster: Built) -> None:
    with cluster.file.open("a") as file:
        file.write("workers:\n  image: ami-0123456789abcdef0\n")
    with pytest.raises(SettingsError, match="remove it"):
        cluster.run(image, "build")


def test_without_tables_the_fix_is_told(cluster: Built) -> None:
    cluster.site.aws.client("dynamodb").delete_table(TableName="cloudjhub-spring-settings")
    with pytest.raises(NotBuilt, match="cloudjhub up"):
        cluster.run(image, "build")
