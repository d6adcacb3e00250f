"""The kinds of machine that users choose among, and whom each is for. Pure."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

MOST_PROFILES = 12
"""Profiles of a cluster: their cards are still one page."""
LONGEST_NAME, LONGEST_DESCRIPTION, LONGEST_GROUP = 40, 160, 64
MOST_TYPES, MOST_GROUPS = 8, 20
LARGEST_DISK = 16384
"""GB."""
INSTANCE_TYPE = r"[a-z][a-z0-9-]*\.[a-z0-9-]+"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A kind of machine."""

    name: str
    types: tuple[str, ...]
    """Instance types; a later one is used where AWS has none of those before it."""
    description: str = ""
    groups: tuple[str, ...] = ()
    """Whose members may have it; () for all users."""
    disk: int = 0
    """Its root disk in GB; 0 for the cluster's size."""

    def is_for(self, groups: Collection[str]) -> bool:
        """May a member of these groups have it?"""
        return not self.groups or not set(self.groups).isdisjoint(groups)


def by_type(types: Sequence[str]) -> tuple[Profile, ...]:
    """A profile for each instance type, with the others where AWS has none of it."""
    return tuple(Profile(name=one, types=tuple(dict.fromkeys([one, *types]))) for one in types)


def profiles_in(value: Any) -> tuple[Profile, ...]:
    """The profiles in a list of the manager's configuration. Raises ValueError or TypeError."""
    found = _list(value, _profile, MOST_PROFILES)
    if len({one.name for one in found}) < len(found):
        raise ValueError("two profiles of one name")
    return found


def _profile(value: Any) -> Profile:
    if not isinstance(value, dict):
        raise TypeError
    profile = Profile(
        name=_text(value.get("name"), LONGEST_NAME),
        types=_list(value.get("types"), _type, MOST_TYPES),
        description=_text(value.get("description") or " ", LONGEST_DESCRIPTION).strip(),
        groups=_list(value.get("groups") or [], lambda one: _text(one, LONGEST_GROUP), MOST_GROUPS),
        disk=value.get("disk") or 0,
    )
    if not profile.types or type(profile.disk) is not int or not 0 <= profile.disk <= LARGEST_DISK:
        raise ValueError
    return profile


def _list(value: Any, item: Callable[[Any], T], most: int) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise TypeError
    if len(value) > most:
        raise ValueError
    return tuple(item(one) for one in value)


def _text(value: Any, longest: int) -> str:
    if not isinstance(value, str):
        raise TypeError
    if not 0 < len(value) <= longest or not value.isprintable():
        raise ValueError
    return value


def _type(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    if not re.fullmatch(INSTANCE_TYPE, value, re.ASCII):
        raise ValueError
    return value
