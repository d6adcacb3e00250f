"""User names, the list of users, and sign-up codes. Needs no JupyterHub, so that the command line uses it too.

A name never reaches a shell, a path or a slug. Canonically equivalent spellings (NFC) and upper and lower case are the
same name; everything else is another user. Names that look like others, or break a URL, are refused.
"""

import base64
import hashlib
import hmac
import json
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

LONGEST = 255
"""Bytes of UTF-8: of JupyterHub's name column, and quoted they still fit into a cookie's name."""

_CONTROL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# They have a meaning in URLs or in the scripts of JupyterHub's pages.
_UNUSABLE = frozenset("/\\?#%<>")


def normalised(name: str) -> str:
    """The one spelling that represents all equivalent ones."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())


def folded(name: str) -> str:
    """What a directory may compare: without accents, with ss for ß and one space for several."""
    plain = unicodedata.normalize("NFKD", normalised(name).casefold())
    return " ".join("".join(one for one in plain if not unicodedata.combining(one)).split())


def name_problem(name: str) -> str | None:
    """Why a normalised name is refused, for its user; None if it is accepted."""
    if not name:
        return "A user name cannot be empty."
    if len(name.encode(errors="surrogatepass")) > LONGEST:
        return f"This user name is too long: at most {LONGEST} bytes are allowed."
    if name != name.strip():
        return "A user name cannot begin or end with a space."
    if set(name) == {"."}:
        return "A user name cannot consist only of dots."
    return _character_problem(name)


def _character_problem(name: str) -> str | None:
    for character in name:
        category = unicodedata.category(character)
        if category in _CONTROL:
            return f"This user name contains an invisible or unknown character (U+{ord(character):04X})."
        if category == "Zs" and character != " ":
            return f"This user name contains an unusual space (U+{ord(character):04X})."
        if character in _UNUSABLE:
            return f"A user name cannot contain the character {character}."
    if unicodedata.normalize("NFKC", name) != name or normalised(name) != name:
        return "This user name contains letters that look like other letters. Use plain ones."
    return None


@dataclass(frozen=True, slots=True)
class People:
    """Normalised names. An administrator is a user too; a removed user is not."""

    users: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    """Former users: they may not log in, even if something else would allow it."""
    generations: Mapping[str, int] = field(default_factory=dict)
    """How often each name was removed, if ever: the next user of a name has nothing of the former one's."""
    teaches: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The groups that each teacher looks after."""

    def with_user(self, name: str, *, admin: bool = False) -> "People":
        """With this user, who may have been removed earlier. Raises ValueError that says why a name is refused."""
        key = accepted(name)
        admins = self.admins | {key} if admin else self.admins - {key}
        # An earlier version did not count.
        counted = {key: max(self.generation(key), 1)} if key in self.removed else {}
        return replace(
            self,
            users=self.users | {key},
            admins=admins,
            removed=self.removed - {key},
            generations={**self.generations, **counted},
        )

    def without(self, name: str) -> "People":
        """Without this user, who may no longer log in. Raises ValueError that says why a name is refused."""
        key = accepted(name)
        counted = {} if key in self.removed else {key: self.generation(key) + 1}
        return replace(
            self,
            users=self.users - {key},
            admins=self.admins - {key},
            removed=self.removed | {key},
            generations={**self.generations, **counted},
            teaches={name: groups for name, groups in self.teaches.items() if name != key},
        )

    def teaching(self, name: str, group: str, *, is_teacher: bool) -> "People":
        """With this user as a teacher of the group, or no longer. Raises ValueError that says why one is refused."""
        key = accepted(name)
        group = accepted_group(group)
        groups = self.teaches.get(key, frozenset())
        groups = groups | {group} if is_teacher else groups - {group}
        if len(groups) > MOST_GROUPS:
            raise ValueError(f"{key} teaches {MOST_GROUPS} groups, the most that are allowed")
        others = {one: of_one for one, of_one in self.teaches.items() if one != key}
        return replace(self, teaches={**others, key: groups} if groups else others)

    def generation(self, name: str) -> int:
        """How often this name was removed."""
        return self.generations.get(name, 0)


def check_administrators(before: AbstractSet[str], after: AbstractSet[str]) -> None:
    """Raises ValueError if a change takes away the last administrator. Pure.

    The one rule for the command line, the operator's list, JupyterHub's API and the page of accounts.
    """
    if before and not after:
        names = " and ".join(sorted(before))
        raise ValueError(f"no administrator would be left without {names}: make another user one first")


def accepted(name: str) -> str:
    """The name as it is kept. Raises ValueError that says why it is refused."""
    key = normalised(name)
    problem = name_problem(key)
    if problem:
        raise ValueError(f"{name[:100]!r}: {problem}")
    return key


MOST_GROUPS = 100
LONGEST_GROUP = 255
"""Characters: of JupyterHub's name column."""


def accepted_group(name: str) -> str:
    """The name of a group as it is kept. Raises ValueError that says why it is refused."""
    if not name or name != name.strip() or len(name) > LONGEST_GROUP or not name.isprintable():
        raise ValueError(
            f"{name[:100]!r}: a group's name has 1 to {LONGEST_GROUP} printable characters, and no space around it"
        )
    return name


def parse(text: str) -> People:
    """The people in `{"users": {"alice": {"admin": true}}, "removed": ["bob"], "generations": {"bob": 1},
    "teaches": {"alice": ["physics"]}}`.

    Raises ValueError that names what is wrong. A name that is in both is removed: the safer of the two.
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004 -- a wrong text, not a wrong program
    users, removed = document.get("users", {}), document.get("removed", [])
    if not isinstance(users, dict) or not all(isinstance(about, dict) for about in users.values()):
        raise ValueError("`users` is not an object of objects")
    if not isinstance(removed, list) or not all(isinstance(name, str) for name in removed):
        raise ValueError("`removed` is not a list of names")
    gone = frozenset(accepted(name) for name in removed)
    known = {accepted(name): _is_admin(name, about) for name, about in users.items()}
    names = frozenset(known) - gone
    admins = frozenset(name for name in names if known[name])
    teaches = _teaches(document.get("teaches", {}))
    kept = {name: groups for name, groups in teaches.items() if name not in gone}
    return People(names, admins, gone, _generations(document.get("generations", {})), kept)


def to_json(people: People) -> str:
    """The text that `parse` reads."""
    users = {name: {"admin": True} if name in people.admins else {} for name in sorted(people.users)}
    document: dict[str, Any] = {"users": users, "removed": sorted(people.removed)}
    if people.generations:
        document["generations"] = dict(sorted(people.generations.items()))
    if people.teaches:
        document["teaches"] = {name: sorted(groups) for name, groups in sorted(people.teaches.items())}
    return json.dumps(document, ensure_ascii=False)


def _teaches(found: Any) -> dict[str, frozenset[str]]:
    if not isinstance(found, dict) or not all(isinstance(groups, list) for groups in found.values()):
        raise ValueError("`teaches` is not an object of lists of groups")
    if not all(isinstance(group, str) for groups in found.values() for group in groups[:MOST_GROUPS]):
        raise ValueError("`teaches` has a group that is not a text")
    return {
        accepted(name): frozenset(accepted_group(group) for group in groups[:MOST_GROUPS])
        for name, groups in found.items()
    }


def _is_admin(name: str, about: dict[str, Any]) -> bool:
    admin = about.get("admin", False)
    if not isinstance(admin, bool):
        raise ValueError(f"`admin` of {name[:100]!r} is neither true nor false")  # noqa: TRY004 -- a wrong text
    return admin


def _generations(found: Any) -> dict[str, int]:
    if not isinstance(found, dict) or not all(
        type(number) is int and number > 0 for number in found.values()
    ):
        raise ValueError("`generations` is not an object of whole numbers")
    return {accepted(name): number for name, number in found.items()}


CODE_LENGTH = 16
"""Of 32 each: 80 bits, which cannot be guessed over HTTP."""


def sign_up_code(key: str, cluster: str, name: str, generation: int = 0) -> str:
    """The code of a normalised name, like ABCD-EFGH-IJKL-MNOP, with how often the name was removed. It is derived from
    the key and need not be stored.
    """
    parts = ["sign-up", cluster, name, *([generation] if generation else [])]
    digest = hmac.new(key.encode(), json.dumps(parts, ensure_ascii=True).encode(), hashlib.sha256).digest()
    letters = base64.b32encode(digest).decode()[:CODE_LENGTH]
    return "-".join(letters[start : start + 4] for start in range(0, CODE_LENGTH, 4))


def is_code_of(given: str, key: str, cluster: str, name: str, generation: int = 0) -> bool:
    """Is this the name's code, in whatever spacing and case?"""
    plain = "".join(given.split()).replace("-", "").upper()
    expected = sign_up_code(key, cluster, name, generation).replace("-", "")
    return hmac.compare_digest(plain.encode(errors="replace"), expected.encode())
