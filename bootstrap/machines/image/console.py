"""What a builder's console tells of how the set-up went. Pure."""

import json
from dataclasses import dataclass

from bootstrap.machines.image.setup import DONE, FAILED

SHOWN_LINES = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """Either the versions that the image holds, or why there is none."""

    versions: dict[str, str] | None = None
    failure: str = ""


def outcome(console: str) -> Outcome | None:
    """How the set-up went; None while its console does not tell."""
    for line in reversed(console.splitlines()):
        _, is_failed, reason = line.partition(FAILED)
        if is_failed:
            return Outcome(failure=reason.strip() or "no reason given")
        _, is_done, told = line.partition(DONE)
        versions = _versions(told) if is_done else None
        if versions is not None:
            return Outcome(versions=versions)
    return None


def tail(console: str) -> str:
    """The last lines, for whoever has to find out what went wrong."""
    return "\n".join([line for line in console.splitlines() if line.strip()][-SHOWN_LINES:])


def _versions(told: str) -> dict[str, str] | None:
    """None for a line that another program's output has cut."""
    try:
        versions = json.loads(told)
    except ValueError:
        return None
    return (
        {str(name): str(version) for name, version in versions.items()}
        if isinstance(versions, dict)
        else None
    )
