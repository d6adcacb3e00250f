"""What a user chooses at a start: the type of a new machine, and whether to start with a clean profile."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from hub.spawn.machine_types import machine_type
from lifecycle_app.model.worker import State, Worker

INSTANCE_TYPE = "instance_type"
CLEAN_PROFILE = "clean_profile"
"""An option with this name and any value but "" sets the user's own settings aside, at this start alone."""
OPTIONS = (INSTANCE_TYPE, CLEAN_PROFILE)
_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)


async def options_form(spawner: Any) -> str:
    """The form for a user who has no instance yet; "" for the others, who cannot choose."""
    await spawner.parts.reader.loaded()
    if has_machine(spawner.parts.reader.get(spawner.key)):
        return ""
    allowed = spawner.parts.settings.types
    try:
        chosen = instance_type_in(spawner.orm_spawner.user_options or {}, allowed)
    except ValueError:
        chosen = allowed[0]
    return form(allowed, chosen)


def has_machine(worker: Worker | None) -> bool:
    """Has the worker an instance, whose type stays?"""
    return worker is not None and worker.state is not State.TERMINATED


def form(allowed: Sequence[str], chosen: str) -> str:
    """The form's HTML; "" where there is nothing to choose, so that the server starts without asking."""
    if len(allowed) < 2:
        return ""
    types = [machine_type(name) for name in allowed]
    return _TEMPLATES.get_template("options.html").render(name=INSTANCE_TYPE, types=types, chosen=chosen)


def instance_type_in(options: Mapping[str, Any], allowed: Sequence[str]) -> str:
    """The chosen type, or the default one. Raises ValueError with a message for the user."""
    unknown = sorted(str(name) for name in options if name not in OPTIONS)
    if unknown:
        raise ValueError(f"Unknown option {_shortened(unknown[0])}. The options are {' and '.join(OPTIONS)}.")
    chosen = options.get(INSTANCE_TYPE, allowed[0])
    if isinstance(chosen, list) and len(chosen) == 1:  # as forms send it
        chosen = chosen[0]
    if not isinstance(chosen, str) or chosen not in allowed:
        raise ValueError(f"Unknown machine type {_shortened(chosen)}. Choose one of {', '.join(allowed)}.")
    return chosen


def is_clean(options: Mapping[str, Any]) -> bool:
    """Has the user chosen to start with a clean profile?"""
    return options.get(CLEAN_PROFILE) not in (None, "", False, [""])


def lasting(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that also hold for later starts."""
    return {name: value for name, value in options.items() if name != CLEAN_PROFILE}


def _shortened(value: object) -> str:
    """What was sent, in a few characters: it can be megabytes, or nested lists."""
    return repr(value)[:60] if isinstance(value, str) else f"(a {type(value).__name__})"
