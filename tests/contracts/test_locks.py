"""The lock files fit what they were made of, and name a hash for every package."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from bootstrap.machines import launch
from tests.supply.locks import LOCKS, REPOSITORY, Lock, lines_of, made_of, recorded

IGNORED = ("build", "node_modules")


def locked(lock: Lock) -> list[str]:
    """The requirements in a lock file, each with its hashes in one line."""
    return [line for line in "\n".join(lines_of(lock.path)).replace("\\\n", "").splitlines() if line]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_fits_what_it_was_made_of(lock: Lock) -> None:
    assert recorded(lock) == made_of(lock), f"{lock.source.name} has changed: run `make lock`"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_of_a_lock_has_one_version_and_hashes(lock: Lock) -> None:
    pinned = re.compile(r"[a-z0-9-]+==[\w.]+( ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [line for line in locked(lock) if not pinned.fullmatch(line)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_has_every_package_that_is_asked_for(lock: Lock) -> None:
    found = [requirement(line) for line in locked(lock)]
    for wanted in map(requirement, asked_for(lock.source)):
        versions = [str(one.specifier).removeprefix("==") for one in found if one.name == wanted.name.lower()]
        assert any(wanted.specifier.contains(version) for version in versions), wanted


def requirement(line: str) -> Requirement:
    return Requirement(line.partition(" --hash")[0])


def asked_for(source: Path) -> Iterator[str]:
    """What a list asks for, itself or by what it includes."""
    for line in source.read_text().splitlines():
        if line.startswith("-r "):
            yield from asked_for(source.parent / line.split()[1])
        elif line and line[0] not in "#-":
            yield line


def test_every_list_of_packages_is_locked() -> None:
    """By itself, or as a part of another one."""
    lists = {
        path
        for path in REPOSITORY.rglob("*requirements.in")
        if not is_ignored(path.relative_to(REPOSITORY).parts)
    }
    parts = {
        (path.parent / line.split()[1]).resolve()
        for path in lists
        for line in path.read_text().splitlines()
        if line.startswith("-r ")
    }
    assert lists == {lock.source for lock in LOCKS} | parts


def is_ignored(parts: tuple[str, ...]) -> bool:
    return any(part in IGNORED or part.startswith(".") for part in parts)


def test_the_first_packages_of_a_machine_are_those_of_the_manager() -> None:
    """Each boot of a manager installs both locks."""
    manager, first = ({line.partition(" ")[0] for line in locked(lock)} for lock in (LOCKS[0], LOCKS[1]))
    assert {one.partition("==")[0] for one in first - manager} == {"pip", "setuptools"}


def test_user_data_has_the_whole_lock() -> None:
    content = launch.fetch_requirements("/etc/lock.txt")["content"]
    assert [line.split() for line in content.splitlines()] == [line.split() for line in locked(LOCKS[1])]
