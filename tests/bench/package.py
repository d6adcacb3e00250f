"""The Lambda package: its size, what is in it, and how long a cold start imports."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.bench.report import Row, Section, measured, verdict
from tests.bench.samples import ratios, sample
from tests.scenarios.cloud import REPOSITORY

KILOBYTE = 1024
LARGEST = 1024 * KILOBYTE
# Lambda's runtime brings boto3 and what it needs; JupyterHub has no business there.
FOREIGN = frozenset(
    {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "jupyterhub", "hub", "bootstrap"}
)
SOURCES = ("app.py", "requirements.txt", "vendor", ".chalice")
# Lambda's runtime: what is installed there is what boto3 needs.
LAMBDA_PYTHON = REPOSITORY / ".venv-lambda" / "bin" / "python"
HANDLERS = {
    "CLOUDJHUB_CLUSTER": "bench",
    "CLOUDJHUB_HUB_API": "http://127.0.0.1:9/hub/api",
    "CLOUDJHUB_HUB_TOKEN_PARAMETER": "/cloudjhub/bench/lifecycle-token",
    "AWS_DEFAULT_REGION": "us-east-1",
}
IMPORTS = {
    "Python alone": "pass",
    "botocore.session": "import botocore.session",
    "app": "import app",
    "app and its AWS clients": "import app; from lifecycle_app.wiring import wired; wired()",
}


def measure(repetitions: int) -> list[Section]:
    """Packages the app as from a fresh checkout and imports it on Lambda's packages."""
    with tempfile.TemporaryDirectory(prefix="cloudjhub-bench-") as folder:
        package = build(Path(folder))
        content = sizes(package)
        found = foreign(content)
        if found:
            raise AssertionError(f"the package holds {sorted(found)}")
        unpacked = Path(folder) / "unpacked"
        with zipfile.ZipFile(package) as archive:
            archive.extractall(unpacked)
        return [_size_section(package.stat().st_size, content), _import_section(unpacked, repetitions)]


def build(folder: Path) -> Path:
    """The zip that `chalice package` makes from a copy of the sources without byte code, as from a fresh checkout."""
    project = folder / "project"
    project.mkdir()
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            leave = shutil.ignore_patterns("__pycache__", "deployments", "deployed")
            shutil.copytree(source, project / name, ignore=leave)
        else:
            shutil.copy(source, project / name)
    variables = {"PIP_NO_DEPS": "1", "PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "us-east-1"}
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from chalice.cli import main; main()",
            "package",
            "--stage",
            "dev",
            "packaged",
        ],
        cwd=project,
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
    )
    return project / "packaged" / "deployment.zip"


def sizes(package: Path) -> dict[str, int]:
    """Compressed bytes by what lies at the top of the zip, the largest first; a package's metadata is its own."""
    counted: Counter[str] = Counter()
    with zipfile.ZipFile(package) as archive:
        for item in archive.infolist():
            counted[item.filename.split("/")[0]] += item.compress_size
    return dict(counted.most_common())


def foreign(names: Mapping[str, int]) -> set[str]:
    """What must not be in the package."""
    return {name for name in names if name.split("-")[0].lower() in FOREIGN}


def byte_code(package: Path) -> list[str]:
    """Byte code in the zip."""
    with zipfile.ZipFile(package) as archive:
        return [name for name in archive.namelist() if name.endswith(".pyc")]


def _size_section(size: int, content: Mapping[str, int]) -> Section:
    metadata = sum(count for name, count in content.items() if name.endswith(".dist-info"))
    rows = [
        Row(
            what="the zip", value=f"{size:,} bytes", target=verdict(size / KILOBYTE, LARGEST / KILOBYTE, "KB")
        )
    ]
    for name, count in content.items():
        if not name.endswith(".dist-info"):
            rows.append(Row(what=f"`{name}`", value=f"{count:,} bytes"))
    rows.append(Row(what="metadata of packages", value=f"{metadata:,} bytes"))
    return Section(
        title="Lambda package",
        words="`chalice package` of a copy of the sources, with `PIP_NO_DEPS=1`. It holds no boto3, botocore or "
        "JupyterHub. Compressed bytes by directory.",
        rows=tuple(rows),
    )


def _import_section(unpacked: Path, repetitions: int) -> Section:
    taken: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for turn in range(repetitions + 1):
        for name, statement in IMPORTS.items():
            seconds = _run(statement, unpacked)
            if turn:  # the first turn only warms the disk
                taken[name].append(seconds)
    samples = {name: sample(values) for name, values in taken.items()}
    rows = [measured(name, each.times(1000), 0, "ms") for name, each in samples.items()]
    for name in ("app", "app and its AWS clients"):
        for other in ("botocore.session", "Python alone"):
            rows.append(measured(f"{name} / {other}", ratios(samples[name], samples[other]), 2))
    return Section(
        title="Cold start",
        words="A new Python that imports and ends, on Lambda's packages only. The package brings no byte code and gets "
        "none, as on Lambda, where it lies on a read-only disk. The first handler to run makes the AWS clients.",
        rows=tuple(rows),
    )


def _run(statement: str, folder: Path) -> float:
    environment = {**HANDLERS, "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.defpath}
    began = time.monotonic()
    subprocess.run([LAMBDA_PYTHON, "-c", statement], cwd=folder, env=environment, check=True)
    return time.monotonic() - began
