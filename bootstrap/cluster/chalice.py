"""The lifecycle app's Chalice project of a cluster, and `chalice deploy`.

Byte code for the Lambda package: the functions' disk is read-only, so that without it each cold start compiles anew.

Chalice ships what lies in `vendor/` as it is: byte code that is put there lands beside the sources, those that Chalice
itself adds included. Each file holds the hash of its source, and Python passes over one that belongs to another source.
"""

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies import asks_hub
from bootstrap.errors import StepFailed

logger = logging.getLogger(__name__)

SOURCES = Path(__file__).resolve().parents[2]
"""The folder of our packages: a checkout, or site-packages."""
# Its main() answers with the exit code instead of exiting with it.
CHALICE_MAIN = "import sys; from chalice.cli import main; sys.exit(main())"
CODE = ("app.py", "requirements.txt")
PIP = {"PIP_NO_DEPS": "1", "PIP_REQUIRE_HASHES": "1"}
PACKAGE = "lifecycle_app"
HASH_LENGTH = 32

Files = Mapping[str, bytes]
"""The content of a project's files by their paths in it."""


def project_folder(sources: Path = SOURCES) -> Path:
    """Where the Chalice project's own files are: in the installed package (setup.py), or at the root of a checkout."""
    packaged = sources / "bootstrap" / "project"
    return packaged if packaged.is_dir() else sources


@dataclass(frozen=True, slots=True)
class InVpc:
    """Where those functions of a private cluster run that ask its hub; ids."""

    subnets: tuple[str, ...]
    group: str


def stage_config(
    base: dict[str, Any],
    scope: Scope,
    variables: Mapping[str, str],
    tags: Mapping[str, str],
    place: InVpc | None = None,
) -> dict[str, Any]:
    """`base`, the committed .chalice/config.json, with the cluster's stage put in place of its own stages.

    The functions' roles are those of the access stack: Chalice knows no path, permissions boundary and tags of roles.
    """
    functions = {
        name: {**_with_own_role(scope, name, of_stage), **(_vpc(place) if place and asks_hub(name) else {})}
        for name, of_stage in _functions(base).items()
    }
    stage = {
        **_only_stage(base),
        "environment_variables": dict(variables),
        "tags": dict(tags),
        "lambda_functions": functions,
    }
    return {**base, "stages": {scope.cluster: stage}}


def _with_own_role(scope: Scope, handler: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    role = scope.role_arn(names.function_role(scope.cluster, handler, scope.role_prefix))
    kept = {name: value for name, value in settings.items() if name != "iam_policy_file"}
    return {**kept, "manage_iam_role": False, "iam_role_arn": role}


def _vpc(place: InVpc) -> dict[str, Any]:
    return {"subnet_ids": list(place.subnets), "security_group_ids": [place.group]}


def _only_stage(base: dict[str, Any]) -> dict[str, Any]:
    (stage,) = base["stages"].values()
    return dict(stage)


def _functions(base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    functions: dict[str, dict[str, Any]] = _only_stage(base)["lambda_functions"]
    return functions


def project_files(
    scope: Scope, variables: Mapping[str, str], tags: Mapping[str, str], place: InVpc | None = None
) -> dict[str, bytes]:
    """A Chalice project of its own for this cluster: our code and its own stage.

    `tags` are the functions' own; Chalice gives none to what it makes for them. `place`: None outside of any VPC.
    """
    project = project_folder()
    files = {name: (project / name).read_bytes() for name in CODE}
    # What Chalice finds in vendor/ is shipped as it is: without the byte code that lies beside our files.
    for path in sorted((SOURCES / PACKAGE).rglob("*.py")):
        files[f"vendor/{path.relative_to(SOURCES)}"] = path.read_bytes()
    base = json.loads((project / ".chalice" / "config.json").read_text())
    files[".chalice/config.json"] = _as_json(stage_config(base, scope, variables, tags, place))
    return files


def _as_json(document: object) -> bytes:
    return json.dumps(document, indent=2).encode()


def content_hash(files: Files) -> str:
    """Identifies a deployment: the project, and the Python that it is deployed for."""
    found = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for name, content in sorted(files.items()):
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()[:HASH_LENGTH]


def write_files(project: Path, files: Files) -> None:
    """Exactly these files: those of an earlier release, and Chalice's records of it, are removed.

    Chalice needs no memory: which functions, roles, rules and log groups exist it asks of AWS, so that any operator's
    machine can go on where another one was interrupted.
    """
    shutil.rmtree(project, ignore_errors=True)
    for name, content in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def deploy(project: Path, stage: str, environment: Mapping[str, str], log: Path) -> None:
    """Run `chalice deploy`, with exactly the files that requirements.txt locks: Lambda's runtime brings botocore."""
    command = [sys.executable, "-c", CHALICE_MAIN, "deploy", "--stage", stage]
    with log.open("ab") as output:
        done = subprocess.run(
            command,
            cwd=project,
            env={**os.environ, **environment, **PIP, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise StepFailed(f"chalice deploy failed: see the end of {log}")


VENDOR = Path("vendor")
# What `import app` imports, and Lambda's runtime does not have. Not urllib3 and idna: the zip would be over a megabyte.
PACKAGES = ("certifi", "lifecycle_app", "pynamodb", "requests")
NEVER_IMPORTED = ("certifi/__main__.py", "certifi/tests/", "pynamodb/transactions.py", "requests/help.py")
CHALICE = ("__init__.py", "app.py")
"""So much of Chalice is in the package."""


# The name in the byte code is the package's: the same on every operator's machine. Docstrings, which no function reads,
# are left out, and with them assert statements. So are columns (no_debug_ranges): tracebacks still name the lines.
COMPILE = """
import json, py_compile, sys
for source, target, shipped in json.load(sys.stdin):
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(source, target, shipped, doraise=True, optimize=2, invalidation_mode=mode)
"""


def files(app: Path) -> dict[str, bytes]:
    """The byte code of the handlers in `app` and of most that they import, by its path in a Chalice project.

    Compiled by this Python, for whose version Chalice deploys, from the packages that are installed here.
    """
    with tempfile.TemporaryDirectory(prefix="cloudjhub-byte-code-") as folder:
        wanted = [
            (str(source), str(Path(folder) / cache_from_source(str(shipped))), str(shipped))
            for source, shipped in [(app, Path("app.py")), *_sources()]
        ]
        command = [sys.executable, "-X", "no_debug_ranges", "-c", COMPILE]
        subprocess.run(command, input=json.dumps(wanted), text=True, check=True)
        return {
            (VENDOR / Path(target).relative_to(folder)).as_posix(): Path(target).read_bytes()
            for _, target, _ in wanted
        }


def _sources() -> Iterator[tuple[Path, Path]]:
    """Source files of this machine, and where they lie in the package."""
    chalice = _folder("chalice")
    yield from ((chalice / name, Path("chalice") / name) for name in CHALICE)
    for package in PACKAGES:
        folder = _folder(package)
        for source in sorted(folder.rglob("*.py")):
            shipped = source.relative_to(folder.parent)
            if not shipped.as_posix().startswith(NEVER_IMPORTED):
                yield source, shipped


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
