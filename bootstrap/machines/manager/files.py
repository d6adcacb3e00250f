"""Writes files whole, with their modes, and tells whether anything changed."""

import os
from pathlib import Path


def write_file(path: Path, content: str, mode: int = 0o644, group: int | None = None) -> bool:
    """Whether the file was different; `group` may read one of mode 0640. Never seen half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = content.encode()
    if path.exists() and path.read_bytes() == wanted and path.stat().st_mode & 0o777 == mode:
        return False
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(wanted)
        if group is not None:
            os.fchown(file.fileno(), 0, group)
        os.fchmod(file.fileno(), mode)
    fresh.replace(path)
    return True
