"""`python -m bootstrap.operations.verify`: docs/unverified.md, made of the assumptions and of what observes them."""

from pathlib import Path

from bootstrap.operations.verify.assumptions import page, sections
from bootstrap.operations.verify.checks import CHECKS
from bootstrap.operations.verify.stages import WALKED

PAGE = Path(__file__).parents[3] / "docs" / "unverified.md"


def observed_by(assumption: str) -> str:
    """What of `cloudjhub verify` observes it; "" for nothing."""
    found = [name for name, ids in (("reads", CHECKS), ("walk", WALKED)) if assumption in ids]
    return ", ".join(found)


def text() -> str:
    """The page."""
    return page(sections(), observed_by)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
