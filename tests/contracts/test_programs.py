"""Modules that run as programs are complete when they run: their last statement is the one that starts them."""

import ast
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("bootstrap", "hub", "lifecycle_app", "benchmarks")


def test_a_program_starts_after_everything_is_defined() -> None:
    wrong = []
    for path in (one for part in PARTS for one in sorted((REPOSITORY / part).rglob("*.py"))):
        if "node_modules" in path.parts:
            continue
        body = ast.parse(path.read_text(encoding="utf-8")).body
        starts = [one for one in body if isinstance(one, ast.If) and "'__main__'" in ast.unparse(one.test)]
        if starts and starts != body[-1:]:
            wrong.append(str(path.relative_to(REPOSITORY)))
    assert wrong == []
