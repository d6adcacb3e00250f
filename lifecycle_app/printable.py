"""Text of others, made harmless where it enters: what AWS, workers, users and clients send is stored, logged and shown.

Control characters drive terminals (ESC, and the C1 controls that many take for ESC and a letter) and end lines of logs;
characters for the direction of writing, and invisible ones, make a text look like another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

COLOURS = re.compile(r"(?:\x1b\[|\x9b)[0-9;]*m")


def printable(text: str) -> str:
    """The text with printable characters, line ends and tabs only. Other space is a space, colours are left out."""
    if text.isprintable():
        return text
    plain = COLOURS.sub("", text.replace("\r\n", "\n"))
    return "".join(map(_shown, plain))


FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula."""


def spreadsheet_cell(text: str) -> str:
    """The text for a cell of a CSV file, which no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULAS) else text


def printable_values(value: object) -> object:
    """A value of JSON with its texts, names of fields included, made printable."""
    match value:
        case str():
            return printable(value)
        case Mapping():
            return {printable_values(name): printable_values(one) for name, one in value.items()}
        case list() | tuple():
            return [printable_values(one) for one in value]
        case _:
            return value


class PrintableError(Exception):
    """An error whose message is printable, whatever was put into it."""

    def __str__(self) -> str:
        return printable(super().__str__())


def _shown(char: str) -> str:
    if char.isprintable() or char in "\n\t":
        return char
    return " " if char.isspace() else ""
