"""AWS's payloads, with changes."""

import json
from pathlib import Path
from typing import Any

PLACE = Path(__file__).parent / "events"


def payload(name: str, **detail: Any) -> dict[str, Any]:
    """The payload of that name; `detail` replaces fields of its detail, and removes those that are None."""
    found: dict[str, Any] = json.loads((PLACE / f"{name}.json").read_text())
    found["detail"] = {k: v for k, v in (found["detail"] | detail).items() if v is not None}
    return found
