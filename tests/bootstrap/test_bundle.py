"""The bundle: equal sources make equal bytes, and only what machines run is in it."""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.config.settings import ClusterSettings, Hub, Network
from bootstrap.errors import SettingsError
from bootstrap.machines import bundle
from bootstrap.machines.operator_files import python_of
from tests.shared.waiting import PATIENCE


def names(packed: bundle.Bundle) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(packed.content)) as archive:
        return archive.getnames()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository in small, with what lies about in a used one."""
    for path in (
        "app.py", "README.md", "tests/test_x.py",
        "bootstrap/__init__.py", "bootstrap/__main__.py", "bootstrap/machines/manager/setup.py",
        "bootstrap/local/cloud/ec2/api.py", "bootstrap/cli/cluster.py", "bootstrap/cluster/steps/network.py",
        "bootstrap/worker/program", "bootstrap/worker/__pycache__/boot.cpython-311.pyc",
        "hub/.npmrc", "hub/.spawner.py.swp", "hub/package.json", "hub/node_modules/x/index.js", "hub/spawn/spawner.py",
        "lifecycle_app/model/worker.py", "lifecycle_app/use_cases/ports.py",
    ):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"# {path}\n")
    (tmp_path / "bootstrap/worker/program").chmod(0o755)
    return tmp_path


def test_it_holds_what_machines_run_and_nothing_else(repository: Path) -> None:
    assert names(bundle.build(repository)) == [
        "bootstrap/__init__.py",
        "bootstrap/machines/manager/setup.py",
        "bootstrap/worker/program",
        "hub/.npmrc",
        "hub/package.json",
        "hub/spawn/spawner.py",
        "lifecycle_app/model/worker.py",
        "lifecycle_app/use_cases/ports.py",
    ]


def test_equal_sources_make_equal_bytes_wherever_and_whenever(repository: Path, tmp_path: Path) -> None:
    first = bundle.build(repository)
    copy = tmp_path / "elsewhere"
    shutil.copytree(repository / "bootstrap", copy / "bootstrap")
    shutil.copytree(repository / "hub", copy / "hub")
    shutil.copytree(repository / "lifecycle_app", copy / "lifecycle_app")
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    assert bundle.build(copy) == first
    (copy / "hub/spawn/spawner.py").write_text("changed\n")
    assert bundle.build(copy).key != first.key


def test_its_key_names_its_content(repository: Path) -> None:
    packed = bundle.build(repository)
    assert packed.key == f"bundle/{hashlib.sha256(gzip.decompress(packed.content)).hexdigest()}.tar.gz"
    assert packed.sha256 in packed.key
    assert bundle.hash_in(packed.key) == packed.sha256


def test_no_owner_and_no_time_is_told(repository: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(bundle.build(repository).content)) as archive:
        members = archive.getmembers()
    assert {(one.uid, one.gid, one.uname, one.mtime) for one in members} == {(0, 0, "", 0)}
    assert {one.name for one in members if one.mode & 0o111} == {"bootstrap/worker/program"}


def test_the_extension_of_jupyterlab_is_in_it_as_it_was_built() -> None:
    with tarfile.open(fileobj=io.BytesIO(bundle.current().content)) as archive:
        names = archive.getnames()
    own = {name for name in names if "labextension" in name}
    assert "bootstrap/worker/labextensions/cloudjhub/package.json" in own, "run `make setup`"
    assert all(name.startswith("bootstrap/worker/labextensions/cloudjhub/") for name in own)


@pytest.mark.parametrize("module", ["hub.spawn.spawner", "bootstrap.worker.boot"])
def test_what_machines_run_is_whole(module: str, tmp_path: Path) -> None:
    """Imported from the unpacked bundle alone: nothing that it needs was left out."""
    with tarfile.open(fileobj=io.BytesIO(bundle.current().content)) as archive:
        archive.extractall(tmp_path, filter="data")
    code = (
        f"import sys; sys.path[:] = [{str(tmp_path)!r}] + sys.path; import {module} as m; print(m.__file__)"
    )
    # -I: neither the working directory nor PYTHONPATH; the checkout is found after the bundle, if it is installed.
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip().startswith(str(tmp_path))


@pytest.mark.parametrize("program", ["setup", "install_packages", "journal", "secrets"])
def test_what_a_manager_runs_needs_no_pydantic(program: str) -> None:
    """It belongs to the operator's command line: bootstrap/requirements.txt is not installed on machines."""
    script = f"import sys; sys.modules['pydantic'] = None; import bootstrap.machines.manager.{program}"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=bundle.REPOSITORY, timeout=PATIENCE)


def test_a_clusters_bundle_has_its_logo_and_refuses_one_that_could_run_something(tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    packed = bundle.current(logo=logo)
    with tarfile.open(fileobj=io.BytesIO(packed.content)) as archive:
        member = archive.extractfile("operator/logo")
        assert member is not None
        assert member.read() == logo.read_bytes()
    assert packed.key != bundle.current().key
    other = tmp_path / "other.svg"
    other.write_text('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')
    with pytest.raises(
        SettingsError, match=r"hub.logo: .*other.svg has an element <script>, which can run something"
    ):
        bundle.current(logo=other)
    other.write_bytes(b"GIF89a")
    with pytest.raises(SettingsError, match=r"other.svg is neither a PNG nor an SVG"):
        bundle.current(None, other)


def test_a_clusters_bundle_has_its_own_configuration_of_the_hub(tmp_path: Path) -> None:
    """Beside everything else, so that the image is built of the same files; the key is another one."""
    file = tmp_path / "own.py"
    file.write_text("c.JupyterHub.active_server_limit = 7\n")
    plain = ClusterSettings(cluster="a", region="us-east-1", owner="a", network=Network(name="a"))
    own = replace(plain, hub=Hub(config=file))
    assert bundle.of(plain) == bundle.current()
    assert bundle.of(own).key != bundle.current().key

    def members(packed: bundle.Bundle) -> dict[str, bytes]:
        with tarfile.open(fileobj=io.BytesIO(packed.content)) as archive:
            found = {member.name: archive.extractfile(member) for member in archive}
            return {name: content.read() for name, content in found.items() if content}

    assert members(bundle.of(own)) == {
        **members(bundle.current()), "operator/hub_config.py": file.read_bytes(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x = 1\ny = = 2\n", ", line 2: invalid syntax"),
        (b"if x:\ny = 1\n", ", line 2: expected an indented block"),
        (b"x = '\xff'\n", "is not text in UTF-8"),
        (b"x = 1\0\n", "null bytes"),
        (b"#" * 65537, "is larger than 64 KB"),
        (None, "cannot be read"),
    ],
)
def test_a_configuration_that_python_cannot_compile_is_refused(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "own.py"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        python_of(file, "hub.config")
    assert str(caught.value).startswith(f"hub.config: {file}")
    assert said in str(caught.value)
