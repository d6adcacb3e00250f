"""One word for one thing: expressions that are not the field's own do not come back, and each has its replacement here.

The table holds only what is never right in this repository; a word that is right in one sense ("look", "tell") is left
to the reviewer.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# Where the rules hold. Names of folders and files, relative to the repository.
CHECKED = (
    ".chalice",
    ".ci",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Makefile",
    "README.md",
    "app.py",
    "benchmarks",
    "bootstrap",
    "docs",
    "hub",
    "lifecycle_app",
    "pyproject.toml",
    "tests",
)
NO_TEXT = {".svg", ".png", ".pyc", ".json"}
NOT_OURS = {"node_modules", "__pycache__", "deployments"}
THIS = Path(__file__).resolve()
UNDERSCORES = re.compile("_(?!letters)")  # `dead_letters` is short for the events in that queue

REPLACEMENTS = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(tells?|told|telling) of\b": "report, say or log",
    r"\bis told (in|to|that|about)\b": "say who says it, in the active voice",
    r"\breckon(s|ed|ing)?\b": "calculate",
    r"\bcensus(es)?\b": "scan",
    r"\bhandfuls?\b": "batch",
    r"\bstands? in for\b": "replaces, or is a substitute for",
    r"\bfor ever\b": "never ends, or indefinitely",
    r"\bstays? around\b": "keeps running, or is kept",
    r"\b(as|so) long as\b": "until, while or if",
    r"\b(lets?|letting) go\b": "release",
    r"\bof whom\b": "a plain relative clause",
    r"\bsee(s|n)? to (it|that)\b": "ensure",
    r"\b(do|does|did) not ring\b|\balarms? (rings?|rang)\b|\brings? (the|an) alarm\b": "is in ALARM, or fires",
    r"\bdead letters?\b(?! queue)": "dead-letter queue, or the events in it",
    r"(?<!there )\bis no (answer|reason|problem|error|more than|worker|part of|machine|user)\b": "is not",
    r"\ba few handfuls\b": "several batches",
    r"\bsigns? of life\b": "activity",
    r"\b(is|are) to be (seen|had|found)\b": "can be seen, or found",
    r"\b(every|some|no)body\b": "all users, a user, no user, you, or the program that does it",
    r"\basked for by\b": "requested by",
    r"\bof before\b": "earlier",
    r"\bby and by\b": "over time",
    r"\ball the same\b": "anyway",
    r"\bcame of\b": "resulted from, or the results",
    r"\bbeginnings\b": "seed, or initial settings",
    r"\bmachine room\b": "hypervisor",
}
RULES = {re.compile(pattern, re.IGNORECASE): replacement for pattern, replacement in REPLACEMENTS.items()}


def findings(line: str) -> Iterator[str]:
    """What is wrong in a line, each with its replacement; names are read as words."""
    words = UNDERSCORES.sub(" ", line)
    for pattern, replacement in RULES.items():
        for found in pattern.finditer(words):
            yield f"'{found.group()}': write {replacement}"


def texts(place: Path) -> Iterator[Path]:
    """The files that people read: those under a folder, or the file itself."""
    if place.is_file():
        yield place
    for folder, subfolders, names in os.walk(place):
        subfolders[:] = sorted(set(subfolders) - NOT_OURS)
        yield from (path for name in sorted(names) if is_checked(path := Path(folder, name)))


def is_checked(path: Path) -> bool:
    return path.suffix not in NO_TEXT and path != THIS


@pytest.mark.parametrize("place", CHECKED)
def test_the_glossary_is_kept(place: str) -> None:
    assert (REPOSITORY / place).exists(), f"{place} is not there: correct the list of this test"
    wrong = [
        f"{path.relative_to(REPOSITORY)}:{number}: {finding}"
        for path in texts(REPOSITORY / place)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for finding in findings(line)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("Mends the record, and tells of it.", 2),
        ("The menu extends.", 0),
        ("def test_a_fault_stops_nobody() -> None:", 1),
        ("It waits as long as the lease, for ever.", 2),
        ("A worker runs until its user stops it.", 0),
    ],
)
def test_a_finding_is_a_whole_expression(line: str, count: int) -> None:
    assert len(list(findings(line))) == count
