"""`make audit` says what is known, and never takes a service that does not answer for a good answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.supply.audit import NODE_LOCKS, Audit, of_node, of_python, verdict
from tests.supply.locks import REPOSITORY

GOOD: dict[str, Any] = {"name": "idna", "version": "3.20", "vulns": []}
FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["3.21"], "aliases": []}
SKIPPED = {
    "name": "idna",
    "skip_reason": "Dependency not found on PyPI and could not be audited: idna (3.20)",
}


def printed(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("text", "audit"),
    [
        (printed(GOOD), Audit([])),
        (printed({**GOOD, "vulns": [FLAW]}), Audit(["idna 3.20: PYSEC-2026-1, fixed in 3.21"])),
        # pip-audit itself says "No known vulnerabilities found" then, and ends with 0.
        (printed(GOOD, SKIPPED), Audit([], "PyPI did not answer for 1 of 2 packages")),
        ("", Audit([], "PyPI did not answer")),
    ],
)
def test_python(text: str, audit: Audit) -> None:
    assert of_python(text) == audit


@pytest.mark.parametrize(
    ("answer", "audit"),
    [
        ({"vulnerabilities": {}}, Audit([])),
        (
            {"vulnerabilities": {"ws": {"name": "ws", "range": "<8.17.1", "severity": "high"}}},
            Audit(["ws <8.17.1: high: see `npm audit`"]),
        ),
        (
            {"message": "405 Method Not Allowed"},
            Audit([], "npm's registry did not answer: 405 Method Not Allowed"),
        ),
        ([], Audit([], "npm's registry did not answer: no reason given")),
    ],
)
def test_node(answer: Any, audit: Audit) -> None:
    assert of_node(json.dumps(answer)) == audit


@pytest.mark.parametrize(
    ("results", "code", "line"),
    [
        ([("a", Audit([]))], 0, "a: no known vulnerability"),
        ([("a", Audit([])), ("b", Audit(["x 1: Y"], "z"))], 1, "b: x 1: Y"),
        ([("a", Audit([], "no network"))], 2, "a: NOT AUDITED: no network"),
    ],
)
def test_the_exit_code_says_whether_all_is_known_to_be_well(results: Any, code: int, line: str) -> None:
    found, lines = verdict(results)
    assert found == code
    assert line in lines
    assert any("says nothing about" in one for one in lines) == any(one.trouble for _, one in results)


def test_every_lock_of_node_is_audited() -> None:
    folders = ("*", "bootstrap/*", "tests/*")
    found = (path for folder in folders for path in REPOSITORY.glob(f"{folder}/package-lock.json"))
    locks = {path.relative_to(REPOSITORY).as_posix() for path in found}
    assert locks == set(NODE_LOCKS)
    assert all(Path(REPOSITORY, one).exists() for one in NODE_LOCKS)
