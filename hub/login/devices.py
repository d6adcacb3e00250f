"""Browsers that a user has logged in with, by a cookie, so that strangers' wrong passwords do not count for them."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

DEVICE = "cloudjhub-device"
"""The cookie of a browser in which a user has logged in."""
DEVICE_DAYS = 180


@dataclass(frozen=True, slots=True)
class Source:
    """Where a password for a name comes from, as short texts to count by."""

    of_name: str
    """The name, with the browser if the user has logged in with it before, or else with the address."""
    address: str
    is_known: bool
    """Has the user logged in with this browser before?"""


def source_of(handler: Any, name: str) -> Source:
    """Who tries to log in as `name`.

    Wrong passwords are counted for each, so that strangers lock out neither the user nor a user elsewhere.
    """
    address = handler.request.remote_ip
    device = handler.get_secure_cookie(DEVICE, max_age_days=DEVICE_DAYS) or b""
    user, _, number = device.decode(errors="replace").rpartition(" ")
    is_known = user == name
    return Source(json.dumps([name, number] if is_known else [name, "", address]), address, is_known)


def remember_device(handler: Any, name: str) -> None:
    """Marks the browser as one of this user, who has just proven the name."""
    handler.set_secure_cookie(
        DEVICE,
        f"{name} {secrets.token_hex(16)}",
        expires_days=DEVICE_DAYS,
        path=handler.hub.base_url,
        httponly=True,
        secure=handler.request.protocol == "https",
        samesite="Lax",
    )
