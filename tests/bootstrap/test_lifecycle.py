"""The cluster's Chalice project, and that a failed deployment is noticed."""

import json
import subprocess
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from bootstrap.aws.scope import Scope
from bootstrap.cluster import chalice
from bootstrap.cluster.policies import lifecycle_policies
from bootstrap.errors import StepFailed

SCOPE = Scope(cluster="spring", account="123456789012", region="us-east-1")
TAGS = {"CostCenter": "48-1123", "cloudjhub:cluster": "spring"}


def test_the_project_holds_the_clusters_stage_with_the_roles_of_its_stack(tmp_path: Path) -> None:
    for _ in range(2):
        chalice.write_files(tmp_path, chalice.project_files(SCOPE, {"CLOUDJHUB_CLUSTER": "spring"}, TAGS))
    config = json.loads((tmp_path / ".chalice" / "config.json").read_text())
    assert list(config["stages"]) == ["spring"]
    stage = config["stages"]["spring"]
    assert stage["environment_variables"] == {"CLOUDJHUB_CLUSTER": "spring"}
    assert stage["tags"] == TAGS
    assert set(stage["lambda_functions"]) == set(lifecycle_policies(SCOPE))
    roles = {one["iam_role_arn"] for one in stage["lambda_functions"].values()}
    assert roles == {SCOPE.role_arn(f"cloudjhub-spring-{name}-role") for name in lifecycle_policies(SCOPE)}
    for function in stage["lambda_functions"].values():
        assert function["manage_iam_role"] is False
        assert "iam_policy_file" not in function
    assert [one.name for one in (tmp_path / ".chalice").iterdir()] == ["config.json"]
    assert (tmp_path / "vendor" / "lifecycle_app" / "model" / "worker.py").exists()
    assert not list((tmp_path / "vendor").rglob("__pycache__"))


def test_a_failed_deployment_is_noticed_and_names_its_log(tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{ not JSON")
    with pytest.raises(StepFailed, match=r"deploy\.log"):
        chalice.deploy(tmp_path, "spring", {}, tmp_path / "deploy.log")


def test_a_deployment_installs_exactly_what_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    def run(_command: list[str], **options: Any) -> CompletedProcess[bytes]:
        seen.update(options["env"])
        return CompletedProcess([], 0)

    monkeypatch.setattr(subprocess, "run", run)
    chalice.deploy(tmp_path, "spring", {}, tmp_path / "deploy.log")
    assert (seen["PIP_REQUIRE_HASHES"], seen["PIP_NO_DEPS"]) == ("1", "1")
    assert b"--hash=sha256:" in chalice.project_files(SCOPE, {}, TAGS)["requirements.txt"]
