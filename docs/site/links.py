"""Checks the external links of the pages: `python -m docs.site.links`. Exit code 1 for a link that leads nowhere.

Only an answer "not found" is a broken link. A server that is down, refuses programs or asks for a login says nothing
about the page. Where no link leads to a page, the machine has no way to the internet, though a mirror of packages
may answer in a server's place: then one line says so, with exit code 0.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from docs.site.build import sources
from docs.site.generated import pages

LINK = re.compile(r"\]\((https?://[^)\s]+)\)|<(https?://[^>\s]+)>|(?<![(<`\w/])(https?://[^\s)>`\"'|]+)")
BLOCK = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
NOT_REAL = ("example.org", "example.com", "localhost")
GONE = (404, 410)
TIMEOUT = 20.0
AT_ONCE = 8
AGENT = "Mozilla/5.0 (cloudJHub's check of links)"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a link led to: HTTP's status, or why there is none."""

    url: str
    status: int | None
    problem: str = ""

    @property
    def is_broken(self) -> bool:
        """Does the server say that there is no such page?"""
        return self.status in GONE

    @property
    def is_fine(self) -> bool:
        """Is there a page?"""
        return self.status is not None and self.status < 400


def links_in(text: str) -> set[str]:
    """The external links of a page, without fragments; what is code is no link, nor what is only an example. Pure."""
    found = {next(filter(None, one.groups())) for one in LINK.finditer(BLOCK.sub("", text))}
    return {url.partition("#")[0].rstrip(".,;:") for url in found if is_real(url)}


def is_real(url: str) -> bool:
    """Can it be reached from the internet? Pure."""
    host = urlsplit(url).hostname or ""
    is_address = host.replace(".", "").isdigit()
    return (
        "." in host
        and not is_address
        and not any(host == one or host.endswith(f".{one}") for one in NOT_REAL)
    )


def all_links() -> Mapping[str, list[str]]:
    """The pages that have each link. Generated pages show examples of settings, and no links of ours."""
    made = pages()
    found: dict[str, list[str]] = {}
    for page, text in sources().items():
        for url in links_in(text) if page not in made else ():
            found.setdefault(url, []).append(page)
    return found


def report(answers: Iterable[Answer], linked: Mapping[str, list[str]]) -> tuple[list[str], int]:
    """What to print, and the exit code. Pure."""
    known = sorted(answers, key=lambda one: one.url)
    if not any(one.is_fine for one in known):
        why = f"none of {len(known)} leads to a page, so there is no way to the internet here"
        return [f"no link was checked: {why}"], 0
    lines = [
        f"broken: {one.url} ({one.status}) in {', '.join(linked[one.url])}" for one in known if one.is_broken
    ]
    lines += [
        f"not checked: {one.url} ({one.status or one.problem})"
        for one in known
        if not one.is_fine and not one.is_broken
    ]
    broken = sum(one.is_broken for one in known)
    fine = sum(one.is_fine for one in known)
    return [*lines, f"{len(known)} external links: {fine} lead to a page, {broken} are broken"], int(
        broken > 0
    )


def answer(url: str) -> Answer:
    """What the server says, by GET of the headers: some refuse HEAD."""
    try:
        with requests.get(url, timeout=TIMEOUT, headers={"User-Agent": AGENT}, stream=True) as found:
            return Answer(url, found.status_code)
    except requests.RequestException as error:
        return Answer(url, None, type(error).__name__)


def main() -> int:
    """Check them all."""
    linked = all_links()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        lines, code = report(pool.map(answer, linked), linked)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
