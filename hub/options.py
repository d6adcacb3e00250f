"""What a user can choose for a server: its instance type, among the allowed ones, when a new machine is made."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

NAME = "instance_type"


def instance_type_in(options: Mapping[str, Any], allowed: Sequence[str]) -> str:
    """The chosen type, or the default one. Raises ValueError with a sentence for the user."""
    unknown = sorted(str(name) for name in options if name != NAME)
    if unknown:
        raise ValueError(f"There is no option named {_said(unknown[0])}; there is {NAME}.")
    chosen = options.get(NAME, allowed[0])
    if isinstance(chosen, list) and len(chosen) == 1:  # a form's way of saying it
        chosen = chosen[0]
    if not isinstance(chosen, str) or chosen not in allowed:
        raise ValueError(
            f"There is no machine type {_said(chosen)} to choose; there are {', '.join(allowed)}."
        )
    return chosen


def _said(thing: object) -> str:
    """What was given, in a few words: it can be megabytes, or lists in lists."""
    return repr(thing)[:60] if isinstance(thing, str) else f"in a {type(thing).__name__}"


def form(allowed: Sequence[str], chosen: str) -> str:
    """The form's HTML; "" where there is nothing to choose, so that the server starts without asking."""
    if len(allowed) < 2:
        return ""
    lines = [
        f'<option value="{escape(one)}"{" selected" if one == chosen else ""}>{escape(one)}</option>'
        for one in allowed
    ]
    return (
        f'<label for="{NAME}">Machine type</label>'
        f'<select class="form-control" id="{NAME}" name="{NAME}">{"".join(lines)}</select>'
        "<p>Your machine keeps its type as long as it exists.</p>"
    )
