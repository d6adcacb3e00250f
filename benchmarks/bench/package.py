"""The Lambda package: its size, what is in it, and how long a cold start imports."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from benchmarks.bench.report import Row, Section, markdown, measured, ratios, sample, verdict
from bootstrap.cluster import chalice
from tests.scenarios.cloud import REPOSITORY

KILOBYTE = 1024
LARGEST = 1024 * KILOBYTE
LONGEST_IMPORT = 350
"""Milliseconds that `import app` may take."""
# Lambda's runtime contains boto3 and its dependencies; JupyterHub must not be there.
FOREIGN = frozenset(
    {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "jupyterhub", "hub", "bootstrap"}
)
SOURCES = ("app.py", "requirements.txt", "vendor", ".chalice")
# Lambda's runtime: boto3's dependencies are installed there.
LAMBDA_PYTHON = REPOSITORY / ".venv-lambda" / "bin" / "python"
HANDLERS = {
    "CLOUDJHUB_CLUSTER": "bench",
    "CLOUDJHUB_HUB_API": "http://127.0.0.1:9/hub/api",
    "CLOUDJHUB_HUB_TOKEN_PARAMETER": "/cloudjhub/bench/lifecycle-token",
    "AWS_DEFAULT_REGION": "us-east-1",
}
BARE, SESSION, APP = "Python alone", "botocore.session", "app"
WIRED, ASKING_EC2 = "app, wired", "app, wired, and a client for EC2"
IMPORTS = {
    BARE: "pass",
    SESSION: "import botocore.session",
    APP: "import app",
    WIRED: "import app; from lifecycle_app.wiring import wired; wired()",
    ASKING_EC2: "import app; from lifecycle_app.wiring import wired; wired(); "
    "from botocore.session import get_session; get_session().create_client('ec2')",
}
COMPILED = """
import app, importlib.util, pathlib, sys
files = [getattr(module, "__file__", None) or "/" for module in list(sys.modules.values())]
ours = [one for one in map(pathlib.Path, files) if one.is_relative_to(pathlib.Path.cwd())]
def is_compiled(source):
    cached = pathlib.Path(importlib.util.cache_from_source(str(source)))
    return cached.exists() and cached.read_bytes()[8:16] == importlib.util.source_hash(source.read_bytes())
print(*sorted({one.relative_to(pathlib.Path.cwd()).parts[0] for one in ours if not is_compiled(one)}))
"""


def measure(repetitions: int) -> list[Section]:
    """Packages the app as from a fresh checkout and imports it on Lambda's packages."""
    with tempfile.TemporaryDirectory(prefix="cloudjhub-bench-") as folder:
        package = build(Path(folder))
        content = sizes(package)
        found = foreign(content)
        if found:
            raise AssertionError(f"the package contains {sorted(found)}")
        unpacked = unpack(package, Path(folder) / "unpacked")
        return [_size_section(package.stat().st_size, content), _import_section(unpacked, repetitions)]


def main() -> None:
    """Prints the sections of this module, as they are in the report."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    print(markdown("", measure(repetitions)))


def build(folder: Path) -> Path:
    """The zip that `chalice package` builds from a copy of the sources and their byte code, as `up` deploys it."""
    project = folder / "project"
    project.mkdir()
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            leave = shutil.ignore_patterns("__pycache__", "deployments", "deployed")
            shutil.copytree(source, project / name, ignore=leave)
        else:
            shutil.copy(source, project / name)
    for name, content in chalice.files(project / "app.py").items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
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


def unpack(package: Path, folder: Path) -> Path:
    """The folder, with what is in the zip."""
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder


def sizes(package: Path) -> dict[str, int]:
    """Compressed bytes by top-level name in the zip, the largest first; a package's metadata counts separately."""
    counted: Counter[str] = Counter()
    with zipfile.ZipFile(package) as archive:
        for item in archive.infolist():
            counted[item.filename.split("/")[0]] += item.compress_size
    return dict(counted.most_common())


def foreign(names: Mapping[str, int]) -> set[str]:
    """What must not be in the package."""
    return {name for name in names if name.split("-")[0].lower() in FOREIGN}


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
        intro="`chalice package` of a copy of the sources and their byte code, with `PIP_NO_DEPS=1`. It contains no "
        "boto3, botocore or JupyterHub. Compressed bytes by directory.",
        rows=tuple(rows),
    )


def compiled(unpacked: Path) -> list[str]:
    """The packages that a cold start has to compile, without Lambda's own."""
    return _program(COMPILED, unpacked).stdout.split()


def imports_by_processor(unpacked: Path, repetitions: int) -> float:
    """The processor time of `import app`, in units of that of `import botocore.session`: the minimum of each, which
    other load of the machine hardly changes."""
    least = {
        name: min(_processor(IMPORTS[name], unpacked) for _ in range(repetitions)) for name in (APP, SESSION)
    }
    return least[APP] / least[SESSION]


def _import_section(unpacked: Path, repetitions: int) -> Section:
    taken: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for turn in range(repetitions + 1):
        for name, statement in IMPORTS.items():
            seconds = _run(statement, unpacked)
            if turn:  # the first turn only warms the disk
                taken[name].append(seconds)
    samples = {name: sample(values) for name, values in taken.items()}
    rows = [
        measured(name, each.times(1000), 0, "ms", at_most=LONGEST_IMPORT if name == APP else None)
        for name, each in samples.items()
    ]
    for name in (APP, WIRED):
        for other in (SESSION, BARE):
            rows.append(measured(f"{name} / {other}", ratios(samples[name], samples[other]), 2))
    rows.append(
        Row(what="what `import app` has to compile", value=", ".join(compiled(unpacked)) or "nothing")
    )
    return Section(
        title="Cold start",
        intro="A new Python process that imports and exits, on Lambda's packages only. The package contains its "
        "byte code, and none is written, as on Lambda's read-only disk. The first handler to run is wired: it "
        "gets its stores, the hub's client and CloudWatch's; EC2's is created when a run first calls EC2.",
        rows=tuple(rows),
    )


def _run(statement: str, folder: Path) -> float:
    began = time.monotonic()
    _program(statement, folder)
    return time.monotonic() - began


def _processor(statement: str, folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _program(statement, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _program(statement: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**HANDLERS, "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.defpath}
    command = [str(LAMBDA_PYTHON), "-c", statement]
    return subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    main()
