"""Builds the site: `python -m docs.site.build build/site`. A warning ends it: a broken link, a page in no menu.

Sphinx reads a copy of the pages, in which links to files outside `docs/` lead to their pages in the site.
"""

import posixpath
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from docs.site.generated import pages
from docs.site.navigation import first_menu, landing_pages

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
OUTSIDE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
"""Pages at the root of the repository, which have these names in the site."""
FOLDERS = {"docs/decisions": "decisions.md"}
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def place_of(page: str, target: str) -> str:
    """Where in the site a link of a page leads, each by its path in the repository; "" for what is not in the site."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
    if found := OUTSIDE.get(path) or FOLDERS.get(path):
        return f"/{found}"
    return f"/{path.removeprefix('docs/')}" if path.startswith("docs/") else ""


def moved(page: str, text: str) -> str:
    """A page's text for the site: a link to what the site does not have becomes its text."""

    def replaced(link: re.Match[str]) -> str:
        place = place_of(page, link[2])
        return f"[{link[1]}]({place}{link[3] or ''})" if place else link[1]

    return LINK.sub(replaced, text)


def sources() -> Mapping[str, str]:
    """Every page of the site by its path there."""
    found = dict(landing_pages(DOCS)) | dict(pages())
    for path in DOCS.rglob("*.md"):
        name = path.relative_to(REPOSITORY).as_posix()
        found[name.removeprefix("docs/")] = moved(name, path.read_text(encoding="utf-8"))
    found["index.md"] += first_menu()
    for name, target in OUTSIDE.items():
        found[target] = moved(name, (REPOSITORY / name).read_text(encoding="utf-8"))
    return found


def files() -> list[Path]:
    """What the pages link to and is not a page, by its path in the site: pictures, a dashboard for Grafana."""
    found = [*DOCS.glob("*.json"), *DOCS.glob("pictures/*")]
    return sorted(path.relative_to(DOCS) for path in found if path.is_file())


def build(target: Path) -> int:
    """Write the site; Sphinx's exit code."""
    from sphinx.cmd.build import main as sphinx  # takes a second, and the tests read `sources` only

    copy = target.parent / f"{target.name}-sources"
    shutil.rmtree(copy, ignore_errors=True)
    for name, text in sources().items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text, encoding="utf-8")
    for file in files():
        (copy / file).parent.mkdir(exist_ok=True)
        shutil.copyfile(DOCS / file, copy / file)
    options = ["-q", "-W", "--keep-going", "-j", "2", "-b", "html", "-c", str(DOCS / "site")]
    code: int = sphinx([*options, str(copy), str(target)])
    return code


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]).resolve()))
