"""The byte code that is shipped with the functions: of all their sources, and of no other."""

import subprocess
import sys
from importlib.util import source_hash
from pathlib import Path

from bootstrap.cluster import chalice
from bootstrap.cluster.chalice import SOURCES

APP = SOURCES / "app.py"
CHECKED_HASH = (0b11).to_bytes(4, "little")


def test_each_file_names_its_source_by_hash() -> None:
    found = chalice.files(APP)
    for folder, name in (
        ("", "app"),
        ("lifecycle_app/model/", "worker"),
        ("lifecycle_app/use_cases/", "stop"),
    ):
        source = (SOURCES / folder / f"{name}.py").read_bytes()
        content = found[f"vendor/{folder}__pycache__/{name}.{sys.implementation.cache_tag}.pyc"]
        assert content[4:8] == CHECKED_HASH
        assert content[8:16] == source_hash(source)


def test_it_is_the_same_wherever_the_packages_lie() -> None:
    assert not any(str(SOURCES).encode() in content for content in chalice.files(APP).values())


def test_byte_code_of_another_source_is_passed_over(tmp_path: Path) -> None:
    """An operator may have another version of a package than the one that Chalice fetches."""
    (tmp_path / "app.py").write_text("print('compiled')\n")
    for name, content in chalice.files(tmp_path / "app.py").items():
        shipped = tmp_path / Path(name).relative_to("vendor")
        shipped.parent.mkdir(parents=True, exist_ok=True)
        shipped.write_bytes(content)
    (tmp_path / "app.py").write_text("print('fetched!')\n")
    command = [sys.executable, "-B", "-c", "import app"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "fetched!\n"
