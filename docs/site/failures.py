"""The page of every message with which a command ends, and of every finding of `doctor`: found in the source. Pure.

A message says what happened and then, after a colon, what to do. What a message fills in is shown as `…`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bootstrap.errors import BootstrapError
from docs.site.tables import MADE, escaped, table
from hub.errors import HubPartError

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("bootstrap", "hub")
NOT_READ = ("bootstrap/worker/", "bootstrap/local/cloud/", "bootstrap/machines/image/setup.py")
"""What fails there is in a machine's log, and not a command's last line."""
FINDINGS = "bootstrap/operations/health/findings.py"
GAP = "…"
LEAST = 8
"""Letters that a message has besides what is filled in."""


def page() -> str:
    """Symptom, fix and what kind of error it is."""
    return "\n".join(
        [
            "# Messages and what to do\n",
            MADE,
            "`…` is what a message fills in. Search the page for a few words of the line that you see. Causes, and"
            " what has no message: [when something fails](/when-something-fails.md).\n",
            "## Of `cloudjhub doctor`\n",
            table(("what it says", "what to do"), sorted(set(findings()))),
            "## Of commands and of the hub\n",
            table(("what it says", "what to do", "error"), sorted(set(errors()))),
        ]
    )


def errors() -> Iterator[tuple[str, str, str]]:
    """Each message that the source raises as one of our errors."""
    known = {one.__name__: one for root in (BootstrapError, HubPartError) for one in _tree(root)}
    for folder in FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            name = path.relative_to(REPOSITORY).as_posix()
            if name.startswith(NOT_READ) or "node_modules" in name:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                    continue
                kind = known.get(getattr(node.exc.func, "id", ""))
                what, fix = halves(_text(node.exc.args[0])) if kind and node.exc.args else ("", "")
                if kind and says_something(what):
                    yield what, fix, f"`{kind.__name__}`"


def findings() -> Iterator[tuple[str, str]]:
    """Each line that `doctor` may print."""
    for node in ast.walk(ast.parse((REPOSITORY / FINDINGS).read_text(encoding="utf-8"))):
        values = node.elts if isinstance(node, ast.List) else []
        if isinstance(node, ast.Yield) and node.value is not None:
            values = [node.value]
        if isinstance(node, ast.ListComp):
            values = [node.elt]
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "append":
            values = node.args
        for value in values:
            what, fix = halves(_text(value))
            if fix and says_something(what):
                yield what, fix


def _tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


def _text(node: ast.expr) -> str:
    """The text of an expression, with a gap for each part that is not written there; "" for other expressions."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) or GAP for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return (_text(left) or GAP) + (_text(right) or GAP)
        case _:
            return ""


def halves(text: str) -> tuple[str, str]:
    """What happened and what to do: apart at the first colon outside of code that does not follow an option's name
    alone, or at the first sentence's end. What the message fills in there is no advice to read here.
    """
    plain = " ".join(text.split())
    for mark in (": ", ". "):
        for found in re.finditer(re.escape(mark), plain):
            what, fix = plain[: found.start()], plain[found.end() :]
            if what.count("`") % 2 == 0 and not re.fullmatch(r"--[a-z-]+", what):
                said = "" if fix.strip(f"{GAP} ") == "" else fix
                return escaped(what), escaped(said)
    return escaped(plain), ""


def says_something(what: str) -> bool:
    """Can a reader recognise it by what is not filled in?"""
    return len(re.findall(r"[A-Za-z]", what)) >= LEAST
