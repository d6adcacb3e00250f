"""The site: links lead to its own pages, every page is in a menu, and the generated pages name all that there is."""

import re
import warnings
from collections.abc import Iterator

import click
import pytest

from bootstrap.__main__ import cli
from bootstrap.config.settings import ClusterSettings, fields_of
from docs.site import generated
from docs.site.build import DOCS, LINK, REPOSITORY, files, moved, place_of, sources
from docs.site.navigation import ROLES
from lifecycle_app.model.messages import TEMPLATES

READABLE = ("when-the-machine-stops.md",)
"""Pages for students, with a grade of at most 9 by Flesch and Kincaid."""
LONGEST_README = 120
COMMAND = re.compile(r"(?:^|`)(cloudjhub(?: [^`\n]+)?)(?:`|$)", re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "target", "place"),
    [
        ("docs/guide.md", "costs.md", "/costs.md"),
        ("docs/guide.md", "decisions/0001-a.md", "/decisions/0001-a.md"),
        ("docs/decisions/0001-a.md", "../guide.md", "/guide.md"),
        ("docs/architecture.md", "../CONTRIBUTING.md", "/contributing.md"),
        ("docs/architecture.md", "decisions/", "/decisions.md"),
        ("CONTRIBUTING.md", "docs/pictures/lab.png", "/pictures/lab.png"),
        ("CONTRIBUTING.md", ".github/workflows/release.yml", ""),
        ("docs/guide.md", "../tests/conftest.py", ""),
    ],
)
def test_a_link_leads_to_the_page_in_the_site(page: str, target: str, place: str) -> None:
    assert place_of(page, target) == place


def test_links_keep_their_anchors_and_what_the_site_lacks_becomes_text() -> None:
    text = "![x](docs/a.png) [b](docs/b.md#c-d) [e](LICENSE) [f](#g) [h](https://h.example/i)"
    said = "![x](/a.png) [b](/b.md#c-d) e [f](#g) [h](https://h.example/i)"
    assert moved("README.md", text) == said


def test_every_link_in_the_site_leads_to_a_page_or_a_file_of_it() -> None:
    """Sphinx warns too, and a warning ends `make docs`; this takes no build."""
    pages = sources()
    there = {*pages, *(path.as_posix() for path in files())}
    lost = [
        f"{page}: {target}"
        for page, text in pages.items()
        for _, target, _ in LINK.findall(text)
        if target.startswith("/") and target.removeprefix("/") not in there
    ]
    assert lost == []


def test_every_page_is_in_a_menu_and_every_menu_entry_is_a_page() -> None:
    """The decisions have a menu of their own. Sphinx warns too; this takes no build."""
    pages = {name.removesuffix(".md") for name in sources() if not name.startswith("decisions/")}
    named = {name for _, _, names in ROLES.values() for name in names}
    assert pages == named | set(ROLES) | {"index"}


def commands() -> Iterator[tuple[str, click.Command]]:
    return generated._commands(cli, "cloudjhub")


def test_the_reference_has_every_command_setting_and_reason() -> None:
    pages = generated.pages()
    assert all(f"## `{path}`\n" in pages["reference-commands.md"] for path, _ in commands())
    for name, field in fields_of(ClusterSettings).items():
        for key in [f"{name}.{one}" for one in fields_of(field.annotation)] or [name]:
            assert f"| `{key}` |" in pages["reference-settings.md"] or name == "policy"
    assert (
        "| a machine that is not used for this long is stopped |  | `1h` |" in pages["reference-settings.md"]
    )
    assert (
        "| `workers.disk` | root disk in GB; deleted with the machine: what root installed too | whole number | `8` |"
        in pages["reference-settings.md"]
    )
    assert all(f"| `{code}` |" in pages["reference-reasons.md"] for code in TEMPLATES if code != "text")
    assert "| `sweep` |" in pages["reference-permissions.md"]


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_the_readme_says_what_the_page_of_costs_says() -> None:
    """Whose tables are compared with the code."""
    readme, costs = (
        (REPOSITORY / name).read_text(encoding="utf-8") for name in ("README.md", "docs/costs.md")
    )
    for users, hours, default, gateway in re.findall(
        r"^\| (\d+) users, (\d+) hours each \| \$(\d+), or \$(\d+) with a NAT gateway \|$",
        readme,
        re.MULTILINE,
    ):
        assert re.search(
            rf"^\| {users} \| {hours} \| 0 \({default}\) \| \d+ \({gateway}\) \|", costs, re.MULTILINE
        )
    assert readme.count("with a NAT gateway |") == 2


@pytest.mark.parametrize("page", READABLE)
def test_a_page_for_students_is_easy_to_read(page: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports setuptools' pkg_resources
        from textstat import textstat
    text = (DOCS / page).read_text(encoding="utf-8")
    plain = "\n".join(
        line.strip("#|-: ").replace("|", ".") + "." for line in text.splitlines() if line.strip("|-")
    )
    assert textstat.flesch_kincaid_grade(re.sub(r"[`*]", "", plain)) <= 9


def named_commands() -> Iterator[tuple[str, str]]:
    """Each command line of cloudjhub in a page, with the page."""
    for path in sorted([REPOSITORY / "README.md", *DOCS.glob("*.md")]):
        for found in COMMAND.findall(path.read_text(encoding="utf-8")):
            yield path.name, found.partition("  #")[0].strip()


def test_the_commands_that_pages_name_exist() -> None:
    """With their options: what a reader copies is not refused."""
    known = dict(commands())
    wrong = []
    for page, line in named_commands():
        words = line.split()
        path = words.pop(0)
        while words and f"{path} {words[0]}" in known:
            path += f" {words.pop(0)}"
        command = known[path]
        if isinstance(command, click.Group) and words and re.fullmatch(r"[a-z][a-z-]+", words[0]):
            wrong.append(f"{page}: `{line}`: there is no command {words[0]}")
        options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        options |= {"-h", "--help", "--version"}
        given = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
        wrong += [f"{page}: `{line}`: there is no option {one}" for one in sorted(given - options)]
    assert wrong == []
    assert len(list(named_commands())) > 100
