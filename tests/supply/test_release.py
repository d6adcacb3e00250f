"""`make release` builds only what is a release, and the workflow that publishes one uses what exists."""

import re

import pytest
import yaml

from tests.supply.locks import REPOSITORY
from tests.supply.release import HEADING, problems, project_version

GOOD = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- A.\n\n## [0.1.0] - 2026-01-01\n"


@pytest.mark.parametrize(
    ("version", "changelog", "tag", "changed", "said"),
    [
        ("0.2.0", GOOD, "", "", []),
        ("0.2.0", GOOD, "v0.2.0", "", []),
        ("0.2", GOOD, "", "", ["give three numbers", "has no heading `## [0.2] - YYYY-MM-DD`"]),
        ("0.2.0", GOOD, "v0.3.0", "", ["tag it v0.2.0"]),
        ("0.2.0", GOOD, "", " M app.py\n", ["not committed"]),
        ("0.3.0", GOOD, "", "", ["has no heading `## [0.3.0] - YYYY-MM-DD`"]),
        ("0.2.0", GOOD.replace(" - 2026-12-01", ""), "", "", ["has no heading"]),
        ("0.2.0", GOOD.replace("## [Unreleased]\n\n", ""), "", "", ["does not begin with"]),
        ("0.2.0", GOOD.replace("[Unreleased]\n", "[Unreleased]\n\n- B.\n"), "", "", ["belongs to 0.2.0"]),
        ("0.2.0", "", "", "", ["has no heading", "does not begin with"]),
    ],
)
def test_what_keeps_a_checkout_from_being_a_release(
    version: str, changelog: str, tag: str, changed: str, said: list[str]
) -> None:
    found = list(problems(version, changelog, tag, changed))
    assert len(found) == len(said)
    assert all(part in line for part, line in zip(said, found, strict=True))


def test_the_changelog_names_versions_in_order() -> None:
    """In the form of keepachangelog.com."""
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [found[0] for found in HEADING.finditer(text)]
    assert HEADING.findall(text)[0] == ("Unreleased", "")


def test_the_version_is_in_one_place() -> None:
    """Of all that is shipped, only pyproject.toml has it."""
    shipped = [
        path for part in ("bootstrap", "hub", "lifecycle_app") for path in (REPOSITORY / part).rglob("*.py")
    ]
    quoted = f'"{project_version()}"'
    assert [path for path in shipped if "node_modules" not in path.parts and quoted in path.read_text()] == []


def test_the_workflow_publishes_without_a_token() -> None:
    """With PyPI's trusted publishing; only the job that publishes may ask for an identity."""
    text = (REPOSITORY / ".github/workflows/release.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["build"]
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in text
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert all(f"\n{target}:" in makefile for target in re.findall(r"run: make ([\w-]+)", text))
