"""What the files of another hub say about its users, and which lines of them cannot be used. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.users.lists import TOKEN_USER
from hub.users.names import People, accepted, accepted_group

MOST_USERS = 50_000
"""Of a file; the list of a cluster has room for fewer."""


@dataclass(frozen=True, slots=True)
class Imported:
    """Users by normalised name (is each an administrator?), and the members of each group."""

    users: Mapping[str, bool] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """What cannot be used, each with its place."""

    @property
    def people(self) -> People:
        """As a list of the cluster's users."""
        return People(frozenset(self.users), frozenset(name for name, admin in self.users.items() if admin))


@dataclass(slots=True)
class Finds:
    """What was found so far, in any number of files. A place is like `config.yaml, line 4`."""

    users: dict[str, bool] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    members: dict[str, set[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def user(self, name: object, place: str, *, admin: bool = False) -> str | None:
        """Adds a user: an administrator if any place says so. The name as it is kept; None if it is refused."""
        key = self._accepted(name, place)
        if key == TOKEN_USER:
            self.notes.append(f"{place} is left out: {key} held the token of the earlier cloudJHub")
            return None
        if key is None or (key not in self.users and len(self.users) >= MOST_USERS):
            return None
        self.users[key] = self.users.get(key, False) or admin
        return key

    def block(self, name: object, place: str) -> None:
        """Leaves a user out, wherever else the name is."""
        key = self._accepted(name, place)
        if key is not None:
            self.blocked.add(key)

    def member(self, group: object, name: object, place: str) -> None:
        """Adds a member of a group. Who is in a group only may not log in by that: such a member is left out."""
        try:
            title = accepted_group(group if isinstance(group, str) else "")
        except ValueError as error:
            self.refused.append(f"{place}: {error}")
            return
        key = self._accepted(name, place)
        if key is not None:
            self.members.setdefault(title, set()).add(key)

    def _accepted(self, name: object, place: str) -> str | None:
        if not isinstance(name, str):
            self.refused.append(f"{place}: a user name is expected, not {str(name)[:40]!r}")
            return None
        try:
            return accepted(name)
        except ValueError as error:
            self.refused.append(f"{place}: {str(error).rstrip('.')}")
            return None

    def result(self) -> Imported:
        """The users who are not blocked, the groups of these, and the notes."""
        users = {name: admin for name, admin in sorted(self.users.items()) if name not in self.blocked}
        groups = {
            group: tuple(sorted(found))
            for group, names in sorted(self.members.items())
            if (found := names & users.keys())
        }
        notes = list(self.notes)
        if left := sorted(self.blocked & self.users.keys()):
            notes.append(f"blocked on the earlier hub, and left out: {', '.join(left)}")
        if strange := sorted(set().union(*self.members.values()) - users.keys() - self.blocked):
            notes.append(f"in a group, but not a user, and left out: {', '.join(strange)}")
        if len(self.users) >= MOST_USERS:
            notes.append(f"only the first {MOST_USERS} users were read")
        return Imported(users, groups, tuple(notes), tuple(dict.fromkeys(self.refused)))
