"""The local cloud's person, as scenarios and measurements use it: their processes know names below localhost."""

from bootstrap.local import localhost
from bootstrap.local.person import TIMEOUT, LoginRefused, Person, SpawnFailed, origin_of

__all__ = ["TIMEOUT", "LoginRefused", "Person", "SpawnFailed", "origin_of"]

localhost.resolve()
