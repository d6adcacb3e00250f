"""Public functions, methods and classes say what the caller gets: 95 in 100 have a docstring that adds to the name.

Exempt by rule: overloads, and overrides that are marked as such: what they override has the docstring.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = ("app.py", "lifecycle_app", "hub", "bootstrap")
WANTED = 0.95
EXEMPT = {"overload", "override"}
FILLERS = {
    "a",
    "an",
    "the",
    "of",
    "this",
    "its",
    "returns",
    "return",
    "gets",
    "get",
    "is",
    "it",
    "to",
    "for",
    "and",
}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(node: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """What others use of a module or class, with what is in its public classes."""
    for one in node.body:
        if not isinstance(one, Definition) or one.name.startswith("_") or EXEMPT & set(decorators(one)):
            continue
        yield one
        if isinstance(one, ast.ClassDef):
            yield from public(one)


def decorators(one: Definition) -> Iterator[str]:
    """The last word of each decorator's name."""
    for decorator in one.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        yield ast.unparse(called).rpartition(".")[2]


def definitions() -> Iterator[tuple[str, Definition]]:
    """Everything public in the product, with its place."""
    for part in PRODUCT:
        place = REPOSITORY / part
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            if "node_modules" not in file.parts:
                for one in public(ast.parse(file.read_text(encoding="utf-8"))):
                    yield f"{file.relative_to(REPOSITORY)}:{one.lineno} {one.name}", one


def words(text: str) -> set[str]:
    """The words of a name or text, in the singular and without fillers."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", text.replace("'s", ""))
    return {part.lower().removesuffix("s") for part in parts} - {one.removesuffix("s") for one in FILLERS}


def says_nothing(name: str, text: str) -> bool:
    """Does the docstring have no word that the name has not?"""
    return words(text) <= words(name)


def test_public_definitions_have_docstrings() -> None:
    found = list(definitions())
    missing = [place for place, one in found if ast.get_docstring(one) is None]
    assert len(found) > 1000
    assert 1 - len(missing) / len(found) >= WANTED, "\n".join(missing)


def test_docstrings_say_more_than_names() -> None:
    empty = [
        place
        for place, one in definitions()
        if (text := ast.get_docstring(one)) is not None and says_nothing(one.name, text)
    ]
    assert empty == []


@pytest.mark.parametrize(
    ("name", "text", "nothing"),
    [
        ("read_workers", "Read the workers.", True),
        ("WorkerRecord", "A worker's record.", True),
        ("read_workers", "The workers that cost money.", False),
        ("queue_arn", "Where events go that were given up.", False),
    ],
)
def test_what_says_nothing(name: str, text: str, nothing: bool) -> None:
    assert says_nothing(name, text) is nothing


def test_overloads_overrides_and_private_names_are_exempt() -> None:
    source = """
class Public:
    @typing.overload
    def one(self): ...
    @override
    def two(self): ...
    def _three(self): ...
    def four(self): ...
class _Private:
    def five(self): ...
"""
    assert [one.name for one in public(ast.parse(source))] == ["Public", "four"]
