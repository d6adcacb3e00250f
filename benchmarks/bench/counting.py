"""AWS calls as the local cloud counts them, by caller."""

from collections import Counter
from typing import Any

from tests.scenarios.cloud import LocalCloud, control

HUB, LIFECYCLE, WORKER, OPERATOR = "hub", "lifecycle app", "worker", "operator"

Calls = Counter[tuple[str, str]]
"""How often each caller made each call, named "service:Action"."""


def state(cloud: LocalCloud) -> dict[str, Any]:
    """Instances and counts of calls, from the local cloud's own control API."""
    return control(cloud.told, "state")


def seen(cloud: LocalCloud) -> Calls:
    """All calls since the local cloud's start."""
    return by_caller(state(cloud)["calls"]["principals"])


def by_caller(principals: dict[str, dict[str, int]]) -> Calls:
    """Counts by kind of principal."""
    counted: Calls = Counter()
    for principal, actions in principals.items():
        for action, count in actions.items():
            counted[caller(principal), action] += count
    return counted


def caller(principal: str) -> str:
    """The kind of a principal."""
    if "-manager/" in principal:
        return HUB
    if "-worker/" in principal:
        return WORKER
    return OPERATOR if principal == "local-operator" else LIFECYCLE


def made_by(calls: Calls, who: str, service: str = "") -> dict[str, int]:
    """One caller's calls, of one service if one is named: counts by "service:Action"."""
    return {
        action: count
        for (caller, action), count in sorted(calls.items())
        if count and caller == who and action.startswith(service)
    }


def text(counts: dict[str, int]) -> str:
    """Counts for a table."""
    named = (f"{count:,} {action.partition(':')[2]}" for action, count in counts.items())
    return ", ".join(named) or "none"
