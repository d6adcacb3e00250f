"""The copy of the source that is mutated, so that the checkout never is."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import libcst as cst
import libcst.matchers as m

COPIED = ("lifecycle_app", "hub", "tests/__init__.py", "tests/lifecycle", "tests/hub", "pyproject.toml")
NOT_COPIED = shutil.ignore_patterns("node_modules", "__pycache__")


def stage(repository: Path, place: Path) -> None:
    """Copies what mutmut and the tests need to `place`, which is emptied, and makes properties mutable there."""
    shutil.rmtree(place, ignore_errors=True)
    for name in COPIED:
        source, target = repository / name, place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=NOT_COPIED)
        else:
            shutil.copy(source, target)
    for package in ("lifecycle_app", "hub"):
        for path in sorted((place / package).rglob("*.py")):
            path.write_text(with_plain_methods(path.read_text()))


def with_plain_methods(source: str) -> str:
    """The module with `name = property(name)` after each property, instead of a decorator.

    mutmut skips decorated functions, and properties like `is_unattended` are guards.
    """
    return cst.parse_module(source).visit(_Undecorating()).code


class _Undecorating(cst.CSTTransformer):
    def leave_FunctionDef(  # noqa: N802 -- libcst's own name
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        if not _is_property(original_node.decorators):
            return updated_node
        name = original_node.name.value
        again = cst.parse_statement(f"{name} = property({name})\n")
        return cst.FlattenSentinel([updated_node.with_changes(decorators=[]), again])


def _is_property(decorators: Sequence[cst.Decorator]) -> bool:
    return len(decorators) == 1 and m.matches(decorators[0].decorator, m.Name("property"))
