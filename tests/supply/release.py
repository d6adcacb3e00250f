"""Is this checkout a release? `make release` asks before it builds: the version, its tag and the changelog agree."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

from tests.supply.locks import REPOSITORY

VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


def problems(version: str, changelog: str, tag: str, changed: str) -> Iterator[str]:
    """Why this is not a release, each with what to do. `tag` is "" before there is one; `changed` is what git lists as
    changed.
    """
    if not VERSION.fullmatch(version):
        yield f"pyproject.toml: version {version}: give three numbers, as in 1.2.0 or 1.2.0rc1"
    if tag and tag != f"v{version}":
        yield f"the tag is {tag}, pyproject.toml says {version}: tag it v{version}"
    if changed:
        yield "there are changes that are not committed: commit them"
    headings = list(HEADING.finditer(changelog))
    named = next((one for one in headings if one["version"] == version), None)
    if named is None or not named["date"]:
        yield f"CHANGELOG.md has no heading `## [{version}] - YYYY-MM-DD`: rename [Unreleased], and begin a new one"
    if not headings or headings[0]["version"] != "Unreleased":
        yield "CHANGELOG.md does not begin with `## [Unreleased]`: add it, empty"
    elif changelog[headings[0].end() : _end_of_first(headings, changelog)].strip():
        yield f"CHANGELOG.md: what is below [Unreleased] belongs to {version}: move it"


def _end_of_first(headings: list[re.Match[str]], changelog: str) -> int:
    return headings[1].start() if len(headings) > 1 else len(changelog)


def project_version() -> str:
    """The version, of which pyproject.toml is the only place."""
    found: str = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    return found


def main(tag: str) -> int:
    """Print what is wrong; the exit code."""
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    found = list(problems(project_version(), changelog, tag, changed))
    print("\n".join(found) or f"{project_version()} can be released")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
