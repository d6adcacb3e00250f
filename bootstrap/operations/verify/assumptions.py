"""The assumptions, as `assumptions.yaml` lists them, and the page that is made of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

PAGE_BEGINS = """\
# What only real AWS can show

Nothing here has run on an AWS account. Each row is something that the code relies on and the local cloud cannot prove:
what follows where it is wrong, and a way to check it on AWS. `cloudjhub verify` observes the rows with an entry in the
last column and writes a report of them: *reads* by calls that change nothing, of any cluster; *walk* by building and
using one of its own. It has been run against the local cloud only. The other rows are checked by hand.

This page is made of `bootstrap/operations/verify/assumptions.yaml`: `python -m bootstrap.operations.verify`.
"""
BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Assumption:
    """One thing that the code relies on."""

    id: str
    assumed: str
    why: str
    """What follows where it is wrong."""
    check: str
    """How to see it by hand."""


@dataclass(frozen=True, slots=True)
class Section:
    """Assumptions about one part; `about` is a text before them, or ""."""

    title: str
    rows: tuple[Assumption, ...]
    about: str = ""


@cache
def sections() -> tuple[Section, ...]:
    """All of them, in the order of the page."""
    found = yaml.safe_load(Path(__file__).with_name("assumptions.yaml").read_text(encoding="utf-8"))
    return tuple(
        Section(one["title"], tuple(Assumption(**row) for row in one["rows"]), one.get("about", ""))
        for one in found
    )


def assumptions() -> Iterator[Assumption]:
    """All of them, without their sections."""
    for section in sections():
        yield from section.rows


def page(listed: Sequence[Section], observed_by: Callable[[str], str]) -> str:
    """docs/unverified.md; `observed_by` says of an id what of `cloudjhub verify` observes it, "" for nothing."""
    parts = [PAGE_BEGINS]
    for section in listed:
        parts.append(f"## {section.title}\n")
        if section.about:
            parts.append(f"{section.about}\n")
        if section.rows:
            lines = ["| assumption | if it is wrong | how to check | `verify` |", "|---|---|---|---|"]
            lines += [
                f"| {one.assumed} | {one.why} | {one.check} | {observed_by(one.id) or BY_HAND} |"
                for one in section.rows
            ]
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
