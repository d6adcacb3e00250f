"""The lifecycle app's Chalice project of a cluster, and `chalice deploy`."""

import hashlib
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
from lifecycle_app.worker import TAG_CLUSTER

logger = logging.getLogger(__name__)

REPOSITORY = Path(__file__).resolve().parent.parent
# Its main() answers with the exit code instead of exiting with it.
CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
CODE = ("app.py", "requirements.txt")
PACKAGE = "lifecycle_app"
HASH_LENGTH = 32

Files = Mapping[str, bytes]
"""The content of a project's files by their paths in it."""


def stage_config(base: dict[str, Any], cluster: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """`base`, the committed .chalice/config.json, with the cluster's stage put in place of its own stages."""
    functions = {
        name: {**settings, "iam_policy_file": f"policy-{cluster}-{name}.json"}
        for name, settings in _functions(base).items()
    }
    stage = {
        **_only_stage(base),
        "environment_variables": dict(variables),
        "tags": {TAG_CLUSTER: cluster},
        "lambda_functions": functions,
    }
    return {**base, "stages": {cluster: stage}}


def _only_stage(base: dict[str, Any]) -> dict[str, Any]:
    (stage,) = base["stages"].values()
    return dict(stage)


def _functions(base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    functions: dict[str, dict[str, Any]] = _only_stage(base)["lambda_functions"]
    return functions


def project_files(scope: Scope, variables: Mapping[str, str]) -> dict[str, bytes]:
    """A Chalice project of its own for this cluster: the repository's code, its own stage and policies."""
    files = {name: (REPOSITORY / name).read_bytes() for name in CODE}
    # What Chalice finds in vendor/ is shipped as it is: without the byte code that lies beside the repository's files.
    for path in sorted((REPOSITORY / PACKAGE).rglob("*.py")):
        files[f"vendor/{path.relative_to(REPOSITORY)}"] = path.read_bytes()
    base = json.loads((REPOSITORY / ".chalice" / "config.json").read_text())
    files[".chalice/config.json"] = _as_json(stage_config(base, scope.cluster, variables))
    for name, policy in lifecycle_policies(scope).items():
        files[f".chalice/policy-{scope.cluster}-{name}.json"] = _as_json(policy)
    return files


def _as_json(document: object) -> bytes:
    return json.dumps(document, indent=2).encode()


def content_hash(files: Files) -> str:
    """What tells one deployment from another: the project, and the Python that it is deployed for."""
    found = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for name, content in sorted(files.items()):
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()[:HASH_LENGTH]


def write_files(project: Path, files: Files) -> None:
    """Exactly these files: what an earlier release left, and what Chalice remembers of it, goes.

    Chalice needs no memory: which functions, roles, rules and log groups exist it asks of AWS, so that any operator's
    machine can go on where another one was interrupted.
    """
    shutil.rmtree(project, ignore_errors=True)
    for name, content in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_project(project: Path, scope: Scope, variables: Mapping[str, str]) -> None:
    """Write the cluster's Chalice project into this directory, which is its own."""
    write_files(project, project_files(scope, variables))


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
