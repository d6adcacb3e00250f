"""Known vulnerabilities in what is locked: `make audit` asks PyPI and npm about each lock file.

Exit code 1 where there is one, 2 where a package could not be asked about. Both programs can end as if all were well
then: pip-audit skips what the service does not answer for.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.supply.locks import LOCKS, REPOSITORY

PIP_AUDIT = REPOSITORY / ".venv-supply/bin/pip-audit"
NODE_LOCKS = (
    "hub/package-lock.json",
    "bootstrap/labextension/package-lock.json",
    "tests/iam/package-lock.json",
    "tests/store/package-lock.json",
)


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known of a lock's packages: a line for each vulnerability; `trouble` is why some are not known of."""

    found: Sequence[str]
    trouble: str = ""


def of_python(printed: str) -> Audit:
    """What pip-audit printed as JSON."""
    answer = _object(printed)
    packages = answer.get("dependencies")
    if not isinstance(packages, list):
        return Audit([], "PyPI did not answer")
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    found = [
        f"{one['name']} {one['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no version'}"
        for one in packages
        for flaw in one.get("vulns", [])
    ]
    trouble = f"PyPI did not answer for {len(skipped)} of {len(packages)} packages" if skipped else ""
    return Audit(found, trouble)


def of_node(printed: str) -> Audit:
    """What npm printed as JSON."""
    answer = _object(printed)
    if "vulnerabilities" not in answer:
        return Audit(
            [], f"npm's registry did not answer: {str(answer.get('message') or 'no reason given')[:200]}"
        )
    found = answer["vulnerabilities"].values()
    return Audit([f"{one['name']} {one['range']}: {one['severity']}: see `npm audit`" for one in found])


def _object(printed: str) -> dict[str, Any]:
    try:
        answer = json.loads(printed)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def audits() -> list[tuple[str, Sequence[str], Callable[[str], Audit]]]:
    """Each lock file with the program that audits it, and how its output is read."""
    pip_audit = [
        str(PIP_AUDIT),
        "--disable-pip",
        "--progress-spinner",
        "off",
        "--format",
        "json",
        "--requirement",
    ]
    npm = ["npm", "audit", "--package-lock-only", "--json", "--prefix"]
    python = [lock.path.relative_to(REPOSITORY).as_posix() for lock in LOCKS]
    return [
        *((name, [*pip_audit, name], of_python) for name in python),
        *((name, [*npm, str(Path(name).parent)], of_node) for name in NODE_LOCKS),
    ]


def verdict(results: Sequence[tuple[str, Audit]]) -> tuple[int, list[str]]:
    """The exit code, and what to print."""
    lines = []
    for name, one in results:
        lines += [f"{name}: {flaw}" for flaw in one.found]
        if one.trouble:
            lines.append(f"{name}: NOT AUDITED: {one.trouble}")
        elif not one.found:
            lines.append(f"{name}: no known vulnerability")
    if any(one.trouble for _, one in results):
        lines.append(
            "This says nothing about what is not audited: run it where pypi.org and npmjs.org answer."
        )
    code = 1 if any(one.found for _, one in results) else 2 if any(one.trouble for _, one in results) else 0
    return code, lines


def main() -> int:
    """Audit each lock file."""
    results = []
    for name, command, read in audits():
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
        results.append((name, read(done.stdout)))
    code, lines = verdict(results)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
