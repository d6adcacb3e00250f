"""The site's menus: a section for each role, and the pages that make them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROLES: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "students": ("Students", "You have a machine on a hub: what it keeps, and what to do when something fails.", (
        "when-the-machine-stops",
    )),
    "teachers": ("Teachers", "You teach with a hub that others run.", (
        "first-lesson", "when-the-machine-stops", "idleness", "limits",
    )),
    "administrators": ("Administrators", "You decide whether to run a hub, who may use it, and what it may cost.", (
        "which-product", "costs", "data-protection", "limits", "security", "reliability",
    )),
    "operators": ("Operators", "You build and run a cluster with the command line.", (
        "guide", "cluster-yaml", "when-something-fails", "scaling", "moving", "moving-from-cloudjhub", "local-cloud",
        "reference-commands", "reference-settings", "reference-reasons", "reference-messages", "reference-monitoring",
        "reference-permissions", "unverified",
    )),
    "developers": ("Developers", "You change cloudJHub.", (
        "architecture", "contributing", "reference", "login-path", "benchmarks", "storm", "traces", "peers", "mutants",
        "seed-capabilities", "decisions", "changes",
    )),
}  # fmt: skip
"""A page is in the menu of the first role that names it, and linked from the others."""


def landing_pages(docs: Path) -> Iterator[tuple[str, str]]:
    """A page for each role, and the list of decisions, by their paths in the site."""
    seen: set[str] = set()
    for role, (title, about, names) in ROLES.items():
        new = [name for name in names if name not in seen]
        seen.update(new)
        also = [f"- [](/{name}.md)" for name in names if name not in new]
        more = "Also for you:\n\n" + "\n".join(also) + "\n" if also else ""
        yield f"{role}.md", f"# {title}\n\n{about}\n\n{more}" + _menu(new)
    decisions = sorted(path.stem for path in (docs / "decisions").glob("*.md"))
    yield (
        "decisions.md",
        "# Decisions\n\nWhy things are as they are.\n" + _menu([f"decisions/{name}" for name in decisions]),
    )


def first_menu() -> str:
    """What the first page ends with."""
    return _menu(list(ROLES), hidden=True)


def _menu(names: Sequence[str], *, hidden: bool = False) -> str:
    option = ":hidden:\n" if hidden else ":maxdepth: 1\n"
    return f"\n```{{toctree}}\n{option}\n" + "\n".join(names) + "\n```\n"
