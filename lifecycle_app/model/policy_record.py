"""A scope's policy with who changed what in it, and the answer to the last request to change it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lifecycle_app.contract import SettingsRefusal
from lifecycle_app.model.events import SettingsRequest
from lifecycle_app.model.policy import changed, given

VALID = timedelta(minutes=1)
"""An event that took longer is void: its administrator was told long ago that there was no answer."""
MOST_CHANGES = 40
LONGEST_CHANGES, LONGEST_REFUSAL = 60_000, 500
"""Characters: an item of DynamoDB has 400 KB."""

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRecord:
    """What the settings table has of a scope. Texts are JSON; "" is none."""

    scope: str
    policy: str = ""
    changes: str = ""
    """The newest changes, as `changes_of` reads them."""
    request: str = ""
    """The id of the last request that was answered."""
    refusal: str = ""
    """Why that was refused: a SettingsRefusal, and after a blank the details. "" if it was not."""

    @property
    def version(self) -> str:
        """Of the policy, for `SettingsRequest.base`."""
        return hashlib.sha256(self.policy.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a scope's policy. A field that is in `before` or `after` alone was not set after or before."""

    at: datetime
    by: str
    before: Values
    after: Values
    request: str = ""
    """The id of the request; "" for a change by the operator."""


def is_void(record: PolicyRecord, request: SettingsRequest, now: datetime) -> bool:
    """Is there nothing to answer: too old, or answered before?"""
    return now - request.at > VALID or is_answered(record, request.id)


def is_answered(record: PolicyRecord, request: str) -> bool:
    """Does the record have the answer to this request?"""
    return record.request == request or is_recorded(record, request)


def is_recorded(record: PolicyRecord, request: str) -> bool:
    """Was the change made that this request asked for?"""
    return any(change.request == request for change in changes_of(record))


def answered(record: PolicyRecord, request: SettingsRequest) -> PolicyRecord:
    """The record with the change, or with why it was refused. A field that the policy's own rules do not accept refuses
    all of it.
    """
    if request.base != record.version:
        return refused(record, request.id, SettingsRefusal.CHANGED)
    try:
        after = changed(record.scope, record.policy, request.changes, request.unset)
    except ValueError as error:
        return refused(record, request.id, SettingsRefusal.NOT_VALID, str(error))
    done = with_policy(record, after, request.by, request.at, request.id)
    return replace(done, request=request.id, refusal="")


def refused(record: PolicyRecord, request: str, why: SettingsRefusal, detail: str = "") -> PolicyRecord:
    """The record with that answer alone."""
    return replace(record, request=request, refusal=f"{why} {detail}".strip()[:LONGEST_REFUSAL])


def with_policy(
    record: PolicyRecord, after: Values, by: str, at: datetime, request: str = ""
) -> PolicyRecord:
    """The record with this policy, and with the change before its other changes if there is one."""
    old = given(record.policy)
    names = [
        name for name in {**old, **after} if (name in old, old.get(name)) != (name in after, after.get(name))
    ]
    policy = json.dumps(dict(after)) if after else ""
    if not names:
        return replace(record, policy=policy)
    line = {
        "at": at.timestamp(),
        "by": by,
        "before": {name: old[name] for name in names if name in old},
        "after": {name: after[name] for name in names if name in after},
        "request": request,
    }
    lines = [line, *_lines(record)][:MOST_CHANGES]
    while len(text := json.dumps(lines)) > LONGEST_CHANGES and len(lines) > 1:
        lines.pop()
    return replace(record, policy=policy, changes=text)


def changes_of(record: PolicyRecord) -> list[Change]:
    """The newest changes, newest first; what cannot be read of them is left out."""
    found = []
    for line in _lines(record):
        try:
            found.append(
                Change(
                    at=datetime.fromtimestamp(line["at"], UTC),
                    by=str(line["by"]),
                    before=dict(line["before"]),
                    after=dict(line["after"]),
                    request=str(line.get("request", "")),
                )
            )
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            continue
    return found


def _lines(record: PolicyRecord) -> list[dict[str, Any]]:
    try:
        lines = json.loads(record.changes or "[]")
    except (ValueError, RecursionError):
        return []
    return [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []
