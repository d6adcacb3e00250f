"""The results of the mutants, and which survivors are explained."""

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mutmut.stats import status_by_exit_code

KILLED = ("killed", "timeout")
"""A mutant that never ends is noticed: its tests time out."""
LEAST_KILLED = 0.95

Change = tuple[str, str]
"""The lines of a function as they are, and as they were in the mutant."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function, and its result."""

    function: str
    change: Change
    is_killed: bool

    @property
    def module(self) -> str:
        """The file, as a path from the repository's root."""
        parts = self.function.split(".")
        names = [part for part in parts[:-1] if part[:1].islower()]
        return "/".join(names) + ".py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a mutant may survive."""

    function: str
    change: Change
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The survivors with their explanations, and what is missing."""

    explained: Mapping[Mutant, Explanation]
    unexplained: tuple[Mutant, ...]
    needless: tuple[Explanation, ...]
    """Explanations of mutants that were killed, or no longer exist."""
    killed: int
    total: int

    @property
    def rate(self) -> float:
        """The share of mutants that were killed."""
        return self.killed / self.total if self.total else 0.0

    @property
    def is_good(self) -> bool:
        """Is every survivor explained, and are there few of them?"""
        return not self.unexplained and self.rate >= LEAST_KILLED


def judged(mutants: Iterable[Mutant], explanations: Iterable[Explanation]) -> Verdict:
    """The mutants compared with the explanations."""
    known = {(one.function, one.change): one for one in explanations}
    tried = list(mutants)
    survivors = [one for one in tried if not one.is_killed]
    explained = {one: known[one.function, one.change] for one in survivors if _key(one) in known}
    used = {_key(one) for one in explained}
    return Verdict(
        explained,
        tuple(one for one in survivors if _key(one) not in known),
        tuple(one for key, one in known.items() if key not in used),
        len(tried) - len(survivors),
        len(tried),
    )


def _key(mutant: Mutant) -> tuple[str, Change]:
    return mutant.function, mutant.change


def read_explanations(path: Path) -> list[Explanation]:
    """The hand-written explanations; several changes may share one."""
    found = tomllib.loads(path.read_text())["survivor"]
    return [
        Explanation(
            function=one["function"], change=(one["was"], becomes), kind=one["kind"], reason=one["reason"]
        )
        for one in found
        for becomes in one["becomes"]
    ]


def read_mutants(folder: Path, diff: Callable[[str], str]) -> list[Mutant]:
    """All mutants that mutmut has tried in `folder`; `diff` gives a mutant's change as a unified diff."""
    found = []
    for path in sorted(folder.rglob("*.meta")):
        for name, exit_code in json.loads(path.read_text())["exit_code_by_key"].items():
            status = status_by_exit_code[exit_code]
            if status == "not checked":
                continue
            is_killed = status in KILLED
            # A diff takes long, and killed mutants do not need one.
            change = ("", "") if is_killed else change_in(diff(name))
            found.append(Mutant(function_of(name), change, is_killed))
    return found


def function_of(name: str) -> str:
    """The function that a mutant's name in mutmut refers to."""
    module, _, mangled = name.rpartition(".")
    function = mangled.rpartition("__mutmut_")[0]
    parts = function.split("ǁ")[1:] if "ǁ" in function else [function.removeprefix("x_")]
    return ".".join([module, *parts])


def change_in(diff: str) -> Change:
    """The lines that a unified diff removes, and those that it adds, each without its indentation."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    was = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    becomes = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    return was, becomes
