"""A run is good only if nearly all mutants are killed and each survivor is explained."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.mutants.outcome import (
    Explanation,
    Mutant,
    change_in,
    function_of,
    judged,
    read_explanations,
    read_mutants,
)
from benchmarks.mutants.report import markdown
from benchmarks.mutants.staging import with_plain_methods

LT = ("return a < b", "return a <= b")
WHY = Explanation(function="app.core.f", change=LT, kind="equivalent", reason="a is never b")
KILLED = Mutant("app.core.f", ("", ""), is_killed=True)
SURVIVOR = Mutant("app.core.f", LT, is_killed=False)
ELSEWHERE = Mutant("app.core.g", LT, is_killed=False)


@pytest.mark.parametrize(
    ("mutants", "explanations", "good", "unexplained", "needless"),
    [
        ([KILLED] * 19 + [SURVIVOR], [WHY], True, 0, 0),
        ([KILLED] * 18 + [SURVIVOR], [WHY], False, 0, 0),
        ([KILLED] * 99 + [SURVIVOR], [], False, 1, 0),
        ([KILLED] * 99 + [ELSEWHERE], [WHY], False, 1, 1),
        ([KILLED], [WHY], True, 0, 1),
        ([], [], False, 0, 0),
    ],
    ids=[
        "at the least",
        "below it",
        "no explanation",
        "of another function",
        "explained, but killed",
        "nothing ran",
    ],
)
def test_what_makes_a_run_good(
    mutants: list[Mutant], explanations: list[Explanation], good: bool, unexplained: int, needless: int
) -> None:
    verdict = judged(mutants, explanations)
    assert (verdict.is_good, len(verdict.unexplained), len(verdict.needless)) == (good, unexplained, needless)


@pytest.mark.parametrize(
    ("name", "function", "module"),
    [
        ("app.core.x_f__mutmut_3", "app.core.f", "app/core.py"),
        ("app.core.x__f__mutmut_12", "app.core._f", "app/core.py"),
        ("app.core.xǁAǁf__mutmut_1", "app.core.A.f", "app/core.py"),
    ],
)
def test_a_mutant_is_known_by_its_function(name: str, function: str, module: str) -> None:
    assert function_of(name) == function
    assert Mutant(function, LT, is_killed=True).module == module


def test_a_change_is_known_by_its_lines_and_not_by_a_number_that_moves() -> None:
    diff = "--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n def f():\n-    return a < b\n+    return a <= b\n"
    assert change_in(diff) == LT


def test_explanations_are_held_against_what_was_run(tmp_path: Path) -> None:
    said = '[[survivor]]\nfunction = "app.core.f"\nkind = "equivalent"\nreason = "a is never b"\n'
    (tmp_path / "survivors.toml").write_text(
        f'{said}was = "return a < b"\nbecomes = ["return a <= b", "x"]\n'
    )
    assert read_explanations(tmp_path / "survivors.toml")[0] == WHY
    codes = {"1": 1, "2": 0, "3": 36, "4": 33, "5": None}
    found = {f"app.core.x_f__mutmut_{number}": code for number, code in codes.items()}
    (tmp_path / "core.py.meta").write_text(json.dumps({"exit_code_by_key": found}))
    diff = "-return a < b\n+return a <= b\n"
    assert read_mutants(tmp_path, lambda _: diff) == [KILLED, SURVIVOR, KILLED, SURVIVOR]


def test_the_report_names_each_module_and_survivor() -> None:
    mutants = [KILLED, SURVIVOR]
    page = markdown(
        mutants, judged(mutants, [WHY]), at=datetime(2026, 11, 23, tzinfo=UTC), version="3", least=0.95
    )
    assert "**1 of 2 mutants are\nkilled, 50.0%.**" in page
    assert "| `app/core.py` | 2 | 1 | 50.0% |" in page
    assert "`app.core.f`: equivalent: a is never b\n\n```diff\n- return a < b\n+ return a <= b\n```" in page


def test_properties_are_made_mutable_and_stay_properties() -> None:
    kept = "    @staticmethod\n    def g(): ...\n"
    source = f"class A:\n    @property\n    def f(self) -> int:\n        return 1\n\n{kept}"
    plain = with_plain_methods(source)
    assert "@property" not in plain
    assert kept in plain
    scope: dict[str, type] = {}
    exec(plain, scope)  # noqa: S102 -- the source above
    assert scope["A"]().f == 1
