"""The Dockerfile and the dev container of the local cloud, checked without Docker."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from bootstrap.local.cli import DEFAULT_PORT

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".devcontainer"
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with its arguments, on one line."""
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def given(name: str) -> list[str]:
    """The arguments of all instructions of this name."""
    return [rest for one, rest in instructions() if one == name]


def test_only_instructions_that_are_understood_here_are_used() -> None:
    assert {name for name, _ in instructions()} == {"FROM", "RUN", "USER", "WORKDIR", "COPY", "CMD"}


def test_the_image_is_of_a_python_that_we_support() -> None:
    base, *stages = given("FROM")
    found = re.fullmatch(r"python:3\.(\d+)-slim-[a-z]+ AS base", base)
    assert found, "a version, and not whatever is newest"
    wanted = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert wanted["requires-python"] == ">=3.11"
    assert int(found[1]) >= 11
    assert stages == ["base AS local"]


def test_packages_are_installed_without_what_they_only_recommend_and_the_lists_are_removed() -> None:
    [line] = [rest for rest in given("RUN") if "apt-get" in rest]
    update, install, *after = [part.strip() for part in line.split("&&")]
    assert update == "apt-get update"
    assert install.startswith("apt-get install --yes --no-install-recommends ")
    assert {"make", "git"} <= set(install.split())
    assert after == ["rm -rf /var/lib/apt/lists/*"]


def test_what_is_ours_runs_without_rights() -> None:
    names = [name for name, _ in instructions()]
    assert given("USER") == ["1000:1000"]
    assert names.index("USER") < names.index("COPY")
    assert given("COPY") == ["--chown=1000:1000 . ."]
    [user] = [rest for rest in given("RUN") if rest.startswith("useradd")]
    assert "--uid 1000" in user


def test_the_targets_of_make_exist() -> None:
    container = json.loads((FOLDER / "devcontainer.json").read_text(encoding="utf-8"))
    commands = [*(rest for rest in given("RUN") if rest.startswith("make")), container["postCreateCommand"]]
    commands += [" ".join(json.loads(rest)) for rest in given("CMD")]
    assert commands == ["make setup", "make setup", "make local"]
    assert all(re.search(rf"^{line.split()[1]}:", MAKEFILE, re.MULTILINE) for line in commands)


def test_the_dev_container_is_the_first_stage_and_forwards_the_hubs_port() -> None:
    container = json.loads((FOLDER / "devcontainer.json").read_text(encoding="utf-8"))
    assert (FOLDER / container["build"]["dockerfile"]).is_file()
    assert (FOLDER / container["build"]["context"]).resolve() == REPOSITORY
    assert f" AS {container['build']['target']}" in given("FROM")[0]
    assert container["forwardPorts"] == [DEFAULT_PORT]


def in_docker(pattern: str) -> str:
    """A pattern of git's as Docker means it: without a slash in front or within, git means every folder."""
    inner = pattern.rstrip("/")
    return inner.lstrip("/") if "/" in inner else f"**/{inner}"


@pytest.mark.parametrize(
    ("git", "docker"),
    [
        ("/build/", "build"),
        (".venv/", "**/.venv"),
        ("*.egg-info/", "**/*.egg-info"),
        (".chalice/deployed/", ".chalice/deployed"),
    ],
)
def test_patterns_are_translated(git: str, docker: str) -> None:
    assert in_docker(git) == docker


def test_what_git_ignores_is_not_sent_to_docker() -> None:
    """An environment of another machine would be taken for one that is ready."""
    git = (REPOSITORY / ".gitignore").read_text(encoding="utf-8").splitlines()
    docker = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {in_docker(line) for line in git if line and not line.startswith("#")} <= set(docker)
    assert ".git" in docker
