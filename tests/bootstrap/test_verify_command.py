"""`cloudjhub verify --cluster`: over a cluster that is half built, in moto."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bootstrap.aws.site import Site
from bootstrap.cli import verify as command
from bootstrap.cluster.steps.data import Data
from bootstrap.errors import NotBuilt, Refused, Refuted, SettingsError
from bootstrap.operations.verify import throwaway
from bootstrap.operations.verify.checks import CHECKS, observe
from bootstrap.operations.verify.scene import Scene
from bootstrap.operations.verify.verdict import Verdict
from lifecycle_app.contract import utc_now
from tests.bootstrap.half_built import MOTO_WARNS, build_half, unbuilt

pytestmark = pytest.mark.filterwarnings(MOTO_WARNS)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with unbuilt(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def half_built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with unbuilt(tmp_path_factory.mktemp("half")) as found:
        build_half(found)
        yield found


def run(*words: str) -> Any:
    """The later of two options counts."""
    return CliRunner().invoke(command.verify, ["--cluster", "spring", *words])


def test_nothing_is_built(site: Site) -> None:
    assert isinstance(run().exception, NotBuilt)


def test_another_clusters_name_is_refused(site: Site) -> None:
    assert isinstance(run("--cluster", "summer").exception, SettingsError)


def test_every_check_answers(half_built: Site) -> None:
    """By a verdict, whatever is missing: none ends the run."""
    seen = {one.id: one for one in observe(Scene(half_built, utc_now()))}
    assert list(seen) == list(CHECKS)
    assert seen["secrets-kept"].judged.verdict is Verdict.CONFIRMED
    assert seen["tags-are-there"].judged.verdict is Verdict.CONFIRMED
    assert seen["disks-kept"].judged.verdict is Verdict.NOT_OBSERVED


def test_a_check_that_fails_is_reported_as_refuted(half_built: Site, tmp_path: Path) -> None:
    """By an exit code, on the terminal and in both files; no rule is there yet."""
    json_file, report_file = tmp_path / "report.json", tmp_path / "report.md"
    result = run("--json", str(json_file), "--report", str(report_file))
    assert isinstance(result.exception, Refuted)
    assert result.exception.exit_code == 6
    assert "rules-kept" in str(result.exception)
    assert "refuted       rules-kept: " in result.output
    text = json_file.read_text()
    rows = {row["id"]: row for row in json.loads(text)["assumptions"]}
    assert rows["rules-kept"]["verdict"] == "refuted"
    assert rows["rules-kept"]["evidence"]["cloudjhub-spring-sweep"] == {"state": "", "targets": []}
    assert half_built.aws.account not in text + report_file.read_text() + result.output
    assert "| refuted | Each function has one rule" in report_file.read_text()


def test_a_cluster_to_look_at_or_a_region_to_build_one_in(site: Site) -> None:
    assert isinstance(run("--region", "us-east-1").exception, SettingsError)


def test_what_an_earlier_run_left_is_found(site: Site, tmp_path: Path) -> None:
    """By its name, and only where all of it has the mark: nothing of another cluster's."""
    own = throwaway.site_in(tmp_path, "us-east-1", None)
    Data().apply(site, lambda _: None)
    assert throwaway.leftover(own) == []
    Data().apply(own, lambda _: None)
    assert "data: stack cloudjhub-verify-throwaway-data" in throwaway.leftover(own)


def test_a_cluster_of_that_name_that_is_not_ours_is_left_alone(site: Site, tmp_path: Path) -> None:
    own = throwaway.site_in(tmp_path, "us-east-1", None)
    Data().apply(replace(own, settings=replace(own.settings, tags={})), lambda _: None)
    with pytest.raises(Refused, match="without the tag cloudjhub-verify"):
        throwaway.leftover(own)
