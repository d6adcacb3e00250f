"""The documentation names only what exists: paths, modules, functions, links and their anchors."""

import ast
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(chain(REPOSITORY.glob("*.md"), (REPOSITORY / "docs").rglob("*.md")))
PARTS = ("lifecycle_app", "hub", "bootstrap", "benchmarks", "tests", "docs", "vendor")

CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(rf"(?<![\w./~-])(?:{'|'.join(PARTS)})/[\w./-]*")
MODULE = re.compile(
    r"(?<![\w./-])(?:(?:lifecycle_app|bootstrap|benchmarks|tests)\.|hub\.\w+\.)[a-z]\w*(?:\.[a-z]\w*)*"
)
FILE = re.compile(r"[a-z]\w*\.py")
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
NAME_IN = re.compile(r"`(\w+)` in `([\w/]+\.py)`")
FUNCTION = re.compile(r"^\| (`[^|]+`) \| `(\w+)` \|", re.MULTILINE)


@cache
def is_module(name: str) -> bool:
    """Is there such a module, or a module with such a name in it?"""
    *folders, last = name.split(".")
    place = REPOSITORY.joinpath(*folders)
    if (place / last).is_dir() or (place / f"{last}.py").is_file():
        return True
    return place.with_suffix(".py").is_file() and last in names_in(place.with_suffix(".py"))


@cache
def names_in(path: Path) -> set[str]:
    """What a module defines: functions, methods, classes and constants."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def missing_paths(_: Path, text: str) -> Iterator[str]:
    """Paths from the repository's root that do not exist."""
    for code in CODE.findall(text):
        for path in PATH.findall(code):
            if path not in PARAMETERS | BUILT and not (REPOSITORY / path.rstrip(".")).exists():
                yield path


def missing_modules(_: Path, text: str) -> Iterator[str]:
    """Dotted names that are neither a module nor in one."""
    for code in CODE.findall(text):
        yield from (name for name in MODULE.findall(code) if not name.endswith(".py") and not is_module(name))


@cache
def python_files() -> set[str]:
    """The names of our Python files."""
    names = {path.name for path in REPOSITORY.glob("*.py")}
    for part in PARTS:
        for _, folders, files in os.walk(REPOSITORY / part):
            folders[:] = set(folders) - {"node_modules"}
            names |= {name for name in files if name.endswith(".py")}
    return names


def missing_files(_: Path, text: str) -> Iterator[str]:
    """Names of Python files, without a folder, that no folder has."""
    for code in CODE.findall(text):
        if FILE.fullmatch(code) and code not in python_files() | FOREIGN:
            yield code


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Links to files or headings that do not exist."""
    for link in LINK.findall(text):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def missing_names(_: Path, text: str) -> Iterator[str]:
    """`name` in `file` where the file has no such name."""
    for name, path in NAME_IN.findall(text):
        source = REPOSITORY / path
        if source.exists() and not re.search(rf"\b{name}\b", source.read_text(encoding="utf-8")):
            yield f"{name} in {path}"


def missing_functions(page: Path, text: str) -> Iterator[str]:
    """Rows `file` | `function` of the architecture whose file does not define it."""
    rows = FUNCTION.findall(text) if page.name == "architecture.md" else []
    for files, function in rows:
        sources = [REPOSITORY / path for path in CODE.findall(files) if path.endswith(".py")]
        if sources and not any(function in names_in(path) for path in sources if path.exists()):
            yield f"{function} in {files}"


FOREIGN = {"cull_idle_servers.py", "jupyterhub_config.py", "secure.py", "terminate_all_workers.py"}
"""Files of cloudJHub's earlier version, and of JupyterHub."""


PARAMETERS = {"hub/sign-up-key"}
"""Names in Parameter Store that read as a path."""

BUILT = {"bootstrap/worker/labextensions"}
"""Folders that setup makes: a bare checkout does not have them."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
@pytest.mark.parametrize(
    "missing", [missing_paths, missing_modules, missing_files, broken_links, missing_names, missing_functions]
)
def test_what_is_named_exists(page: Path, missing: Callable[[Path, str], Iterator[str]]) -> None:
    assert not sorted(set(missing(page, page.read_text(encoding="utf-8"))))
