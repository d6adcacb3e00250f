"""One line of the audit log."""

import json
import re
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum

LONGEST = 255
"""Characters of a text."""
IDENTIFIER = "cloudjhub-audit"
"""Of the lines in the manager's journal, which text that a program prints cannot have."""


class Outcome(StrEnum):
    """How it ended."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened. Texts are cleaned and shortened when the line is made; none may hold a secret."""

    at: datetime
    actor: str
    """A user's name, which has no slash; or service/NAME, worker/INSTANCE, operator/ARN, function/NAME, hub/; "" for
    strangers.
    """
    action: str
    target: str = ""
    source: str = ""
    """The address; "" where there is none."""
    outcome: Outcome = Outcome.OK
    request: str = ""
    """The same for all lines of one HTTP request."""
    detail: str = ""


KEYS = ("time", *(one.name for one in fields(Event) if one.name != "at"))
"""Every line has these."""


def clean(text: str) -> str:
    """The text without what could control a terminal or look like other text, and not longer than LONGEST."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text[:LONGEST])


def to_line(event: Event) -> str:
    """The event as JSON in ASCII."""
    values = asdict(event)
    at = values.pop("at").astimezone(UTC)
    time = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": time, **{key: clean(str(value)) for key, value in values.items()}})


def from_line(line: str) -> dict[str, str]:
    """The texts of a line by key. Raises ValueError for a line that is none of the audit log's."""
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ValueError("not a line of the audit log") from error
    if not isinstance(found, dict) or set(found) != set(KEYS):
        raise ValueError("not a line of the audit log")
    return {key: clean(str(found[key])) for key in KEYS}


def readable(line: str) -> str:
    """The line for a reader, without its time; as it is if it is none of the audit log's."""
    try:
        event = from_line(line)
    except ValueError:
        return line
    said = [_quoted(event["actor"]) or "a stranger", event["action"], _quoted(event["target"])]
    source = f"from {event['source']}" if event["source"] else ""
    detail = f"({event['detail']})" if event["detail"] else ""
    return " ".join(part for part in (*said, source, detail) if part) + f": {event['outcome']}"


def _quoted(name: str) -> str:
    """A user name may have spaces, and look like the rest of a line: then it is in quotation marks."""
    return name if re.fullmatch(r"[\w./:@+~%-]*", name, re.ASCII) else json.dumps(name, ensure_ascii=False)
