"""What commands print, and nothing else in them prints: whatever a text holds, it cannot control the terminal.

The colours are ours: rich and click make them of styles, apart from the text.
"""

import os
from collections.abc import Iterable
from datetime import datetime
from typing import IO, Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lifecycle_app.printable import printable

PIPE_WIDTH = 4000
"""Characters: more than any row of ours has."""


def echo(text: str, *, err: bool = False, **style: Any) -> None:
    """Print a line or more, in click's style if one is given. NO_COLOR in the environment means none (no-color.org)."""
    shown = printable(text)
    click.echo(click.style(shown, **style) if style and not os.environ.get("NO_COLOR") else shown, err=err)


def local_time(when: datetime) -> str:
    """A time in the operator's time zone."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M %Z")


def show(table: RenderableType) -> None:
    """Print a table."""
    console().print(table)


def console(file: IO[str] | None = None) -> Console:
    """Where tables are printed: as wide as the terminal. Into a pipe or a file a row is one line, whatever is in it."""
    found = SafeConsole(markup=False, highlight=False, file=file)
    return (
        found
        if found.is_terminal
        else SafeConsole(markup=False, highlight=False, file=file, width=PIPE_WIDTH)
    )


class SafeConsole(Console):
    """rich's console, which prints printable text and its own styles and movements of the cursor only."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The parts of what is printed; those that move the cursor are rich's."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)
