"""Tables in Markdown. Pure."""

from collections.abc import Iterable

MADE = "This page is made of the code when the site is built.\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table, whose cells are made one line each."""
    names = list(head)
    lines = [names, ["---"] * len(names), *([_cell(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def escaped(text: str) -> str:
    """Text that is no markup."""
    return text.replace("<", "&lt;")
