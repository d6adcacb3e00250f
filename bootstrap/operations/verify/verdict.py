"""What became of an assumption: a verdict, why, and the evidence that it was judged by."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What was seen of an assumption."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_OBSERVED = "not observed"


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and one line that says why."""

    verdict: Verdict
    message: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one assumption; `evidence` is what JSON can hold, as AWS answered it."""

    id: str
    judged: Judged
    evidence: Any = None


def confirmed(message: str) -> Judged:
    """The evidence shows the assumption, as far as the message says."""
    return Judged(Verdict.CONFIRMED, message)


def refuted(message: str) -> Judged:
    """The evidence contradicts the assumption."""
    return Judged(Verdict.REFUTED, message)


def not_observed(message: str) -> Judged:
    """The evidence says nothing about the assumption."""
    return Judged(Verdict.NOT_OBSERVED, message)
