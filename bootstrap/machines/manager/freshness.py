"""Whether this manager has its security updates. A timer runs it; `doctor` reads what it prints from the log group, so
that neither side needs a permission for it.

    python -m bootstrap.machines.manager.freshness
"""

import csv
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from bootstrap.machines.manager.system import Run, SetupError, run

MARK = "cloudjhub-freshness: security updates: "
"""How the line begins in the log group: with its unit, which no other unit's lines begin with."""
SIMULATION = ("apt-get", "--simulate", "-o", "Debug::NoLocking=true", "dist-upgrade")
# Of the security pocket, whatever other pocket has the same version: "Inst libssl3 [3.0-1] (3.0-2 ... noble-security".
_PENDING = re.compile(r"^Inst (\S+) .*-security\b", re.MULTILINE)
REBOOT = Path("run/reboot-required")
STAMPS = (Path("var/lib/apt/periodic/update-success-stamp"), Path("var/lib/apt/periodic/update-stamp"))
RELEASES = Path("usr/share/distro-info")


Moment = Annotated[float, Field(ge=0, lt=2**33)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """What the manager says of its updates; times in epoch seconds, None where there is none."""

    pending: int
    """Security updates that are not installed."""
    reboot_since: Moment | None
    """Since when installed updates need a reboot to take effect."""
    fetched_at: Moment | None
    """When the lists of packages were fetched last."""
    system: str
    supported_until: str
    """The day on which the release's updates end, like 2029-05-31; "" where it is not known."""


def gathered(root: Path, run: Run = run) -> Freshness:
    """The state of the system below `root`. Raises SetupError, OSError."""
    release = _assignments((root / "etc/os-release").read_text())
    return Freshness(
        pending=len(_PENDING.findall(run(SIMULATION))),
        reboot_since=_changed(root / REBOOT),
        fetched_at=max((at for at in map(_changed, (root / stamp for stamp in STAMPS)) if at), default=None),
        system=release.get("PRETTY_NAME", ""),
        supported_until=_supported_until(root / RELEASES, release),
    )


def line(found: Freshness) -> str:
    """What the unit prints. The journal puts the unit's name before it."""
    return MARK.partition(" ")[2] + json.dumps(asdict(found))


def read(text: str) -> Freshness | None:
    """What a line of the log group says; None for any other line."""
    if not text.startswith(MARK):
        return None
    try:
        return TypeAdapter(Freshness).validate_json(text.removeprefix(MARK))
    except ValueError:
        return None


def _changed(path: Path) -> float | None:
    return path.stat().st_mtime if path.exists() else None


def _assignments(text: str) -> dict[str, str]:
    named = (one.partition("=") for one in text.splitlines())
    return {name: value.strip('"') for name, _, value in named}


def _supported_until(releases: Path, release: Mapping[str, str]) -> str:
    """By the list of the distribution's own package distro-info-data."""
    path = releases / f"{release.get('ID', '')}.csv"
    if not path.exists():
        return ""
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("series") == release.get("VERSION_CODENAME")]
    return (rows[0].get("eol") or "") if rows else ""


def main() -> int:
    """Print the line; 1 if it cannot be known."""
    try:
        print(line(gathered(Path("/"))), flush=True)
    except (SetupError, OSError) as error:
        print(f"the security updates cannot be counted: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
