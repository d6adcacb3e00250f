"""Talks to the cloud process: its state, its faults."""

from typing import Any

import requests

from bootstrap.errors import NotRunning, SettingsError
from bootstrap.local.environment import operator_secret
from bootstrap.local.settings import LocalSettings
from lifecycle_app.model.worker import TAG_ROLE

TIMEOUT = 10.0
GONE = ("shutting-down", "terminated")


def state(settings: LocalSettings) -> dict[str, Any]:
    """Instances, faults and counts of calls."""
    return _ask("GET", settings, "state").json()  # type: ignore[no-any-return]  # requests types JSON as Any


def instances_of(settings: LocalSettings, role: str) -> list[dict[str, Any]]:
    """The instances of this role, those that are gone left out."""
    return [
        instance
        for instance in state(settings)["instances"]
        if instance["tags"].get(TAG_ROLE) == role and instance["state"] not in GONE
    ]


def is_healthy(settings: LocalSettings) -> bool:
    """Whether the cloud process answers."""
    try:
        return _ask("GET", settings, "health").ok
    except NotRunning:
        return False


def set_fault(settings: LocalSettings, name: str, *, on: bool) -> None:
    """Switch a fault; SettingsError with the names where there is none of this name."""
    answer = _ask("POST", settings, "faults", {"name": name, "on": on})
    if not answer.ok:
        raise SettingsError(answer.text.strip())


def _ask(method: str, settings: LocalSettings, path: str, body: object = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {operator_secret(settings.state_dir)}"} if method == "POST" else {}
    try:
        return requests.request(
            method, f"{settings.cloud_url}/_cloud/{path}", json=body, headers=headers, timeout=TIMEOUT
        )
    except requests.ConnectionError as error:
        raise NotRunning(
            f"no local cloud answers at {settings.cloud_url}: start it with `python -m bootstrap local up`"
        ) from error
