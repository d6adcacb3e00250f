"""A report can be given to others: it has no account, access key, identity or address, and is short. Pure."""

import json
import re
from typing import Any

ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
ACCESS_KEY = re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{12,}")
ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
SESSION = re.compile(r"(arn:aws[\w-]*:(?:sts|iam)::[^:]*:(?:assumed-role|user|federated-user)/)[^\s\"',]+")
REPLACED = (
    (SESSION, r"\1<identity>"),
    (ACCESS_KEY, "<access key>"),
    (ACCOUNT, "<account>"),
    (ADDRESS, "<address>"),
)
LONGEST_TEXT = 300
"""Characters."""
MOST_ENTRIES = 40
LONGEST_EVIDENCE = 6_000
"""Characters of one assumption's evidence as JSON."""


def redacted(text: str) -> str:
    """The text without accounts, access keys, identities and addresses."""
    for pattern, replacement in REPLACED:
        text = pattern.sub(replacement, text)
    return text


def shareable(evidence: Any) -> Any:
    """Evidence as it is reported: redacted, and cut where it is too long."""
    found = _bounded(evidence)
    text = json.dumps(found, ensure_ascii=False)
    return {"cut": text[:LONGEST_EVIDENCE]} if len(text) > LONGEST_EVIDENCE else found


def _bounded(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return _number(value)
        case dict():
            kept = list(value.items())[:MOST_ENTRIES]
            found = {redacted(str(name)): _bounded(one) for name, one in kept}
            return found | _left_out(len(value))
        case list() | tuple() | set() | frozenset():
            entries = sorted(value) if isinstance(value, set | frozenset) else list(value)
            left = _left_out(len(entries))
            return [_bounded(one) for one in entries[:MOST_ENTRIES]] + ([left] if left else [])
        case _:
            text = redacted(str(value))
            return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def _number(value: Any) -> Any:
    return redacted(str(value)) if ACCOUNT.fullmatch(str(value)) else value


def _left_out(count: int) -> dict[str, int]:
    return {"left out": count - MOST_ENTRIES} if count > MOST_ENTRIES else {}
