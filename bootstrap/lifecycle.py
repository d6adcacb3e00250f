"""Deploys the lifecycle app: writes the cluster's Chalice stage and policies, and runs `chalice deploy`."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bootstrap.errors import StepFailed
from bootstrap.policies import Scope, lifecycle_policies

logger = logging.getLogger(__name__)

REPOSITORY = Path(__file__).resolve().parent.parent
# Its main() answers with the exit code instead of exiting with it.
CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
LINKED = ("app.py", "requirements.txt")


def stage_config(base: dict[str, Any], cluster: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """`base`, the committed .chalice/config.json, with the cluster's stage put in place of its own stages."""
    functions = {
        name: {**settings, "iam_policy_file": f"policy-{cluster}-{name}.json"}
        for name, settings in _functions(base).items()
    }
    stage = {**_only_stage(base), "environment_variables": dict(variables), "lambda_functions": functions}
    return {**base, "stages": {cluster: stage}}


def _only_stage(base: dict[str, Any]) -> dict[str, Any]:
    (stage,) = base["stages"].values()
    return dict(stage)


def _functions(base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    functions: dict[str, dict[str, Any]] = _only_stage(base)["lambda_functions"]
    return functions


def write_project(project: Path, scope: Scope, variables: Mapping[str, str]) -> None:
    """A Chalice project of its own for this cluster: the repository's code, its own stage and policies."""
    chalice = project / ".chalice"
    chalice.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        link = project / name
        if not link.is_symlink():
            link.symlink_to(REPOSITORY / name)
    # A copy, for Chalice would ship the byte code that lies beside the repository's own files.
    package = project / "vendor" / "lifecycle_app"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(REPOSITORY / "lifecycle_app", package, ignore=shutil.ignore_patterns("__pycache__"))
    base = json.loads((REPOSITORY / ".chalice" / "config.json").read_text())
    (chalice / "config.json").write_text(json.dumps(stage_config(base, scope.cluster, variables), indent=2))
    for name, policy in lifecycle_policies(scope).items():
        (chalice / f"policy-{scope.cluster}-{name}.json").write_text(json.dumps(policy, indent=2))


def deploy(project: Path, stage: str, environment: Mapping[str, str], log: Path) -> None:
    """Run `chalice deploy`; without the dependencies' own dependencies, for Lambda's runtime brings botocore."""
    command = [sys.executable, "-c", CHALICE, "deploy", "--stage", stage]
    with log.open("ab") as output:
        done = subprocess.run(
            command,
            cwd=project,
            env={**os.environ, **environment, "PIP_NO_DEPS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise StepFailed(f"chalice deploy failed: see the end of {log}")
