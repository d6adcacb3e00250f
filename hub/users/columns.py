"""Which column of a table holds the user names: by its heading, as learning platforms and universities write it. Pure.

A column is chosen only where no other could be meant; otherwise the operator says which.
"""

import unicodedata
from collections.abc import Sequence
from enum import Enum


class Kind(Enum):
    """What a column holds."""

    LOGIN = "a user name"
    EMAIL = "an e-mail address"
    NUMBER = "a number or an id of another system"
    NAME = "a user name, or a person's name"
    ADMIN = "whether the user is an administrator"
    ROLE = "a role"
    OTHER = "something else about a person"


# Headings without spaces, hyphens, accents and capitals: of Canvas, Moodle, Blackboard, Brightspace, Sakai, ILIAS and
# Stud.IP, and what people write by hand.
_WORDS = {
    Kind.LOGIN: "username login loginid loginname sisloginid user users userid account accountname netid uid"
    " samaccountname githubusername benutzername benutzerkennung benutzer nutzername nutzerkennung anmeldename kennung"
    " nomdutilisateur identifiant nombredeusuario usuario nomedeusuario nomeutente gebruikersnaam",
    Kind.EMAIL: "email emails emailaddress mail mailaddress emailadresse mailadresse courriel adressemail adresseemail"
    " adressedecourriel correo correoelectronico direcciondecorreo direcciondecorreoelectronico emailadres"
    " indirizzoemail enderecodeemail",
    Kind.NUMBER: "id idnumber number studentid studentids studentnumber studentno matriculationnumber sisuserid sisid"
    " orgdefinedid matrikelnummer matrikelnr personalnummer nummer numeroetudiant studentnummer",
    Kind.NAME: "name names student students participant participants teilnehmer",
    Kind.ADMIN: "admin admins isadmin administrator",
    Kind.ROLE: "role roles rolle",
    Kind.OTHER: "fullname firstname lastname surname givenname familyname middlename vorname nachname familienname nom"
    " prenom nombre apellidos apellido section group groups gruppe availability lastaccess department institution",
}  # fmt: skip
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_MAY_BE_A_USER = frozenset({*_WORDS[Kind.NAME].split(), "user", "users"})

_ADMIN = frozenset({"admin", "administrator"})
_YES = frozenset({*_ADMIN, "yes", "true", "1", "x", "y"})
_NO = frozenset({"", "user", "no", "false", "0", "n"})


def key_of(heading: str) -> str:
    """What is compared: letters and digits, without accents and capitals."""
    plain = unicodedata.normalize("NFKD", heading.casefold())
    return "".join(character for character in plain if character.isalnum())


def kind_of(heading: str) -> Kind | None:
    """What a column of this heading holds; None for an unknown one."""
    return _KINDS.get(key_of(heading))


def role_of(word: str) -> bool | None:
    """Is it an administrator, in a list without headings? None for a word that is not a role."""
    plain = word.casefold()
    return True if plain in _ADMIN else False if plain in ("", "user") else None


def is_heading(cells: Sequence[str]) -> bool:
    """Is this first row one of headings? Not `admin`, `ada,admin` or `ada,user`."""
    kinds = [kind_of(cell) for cell in cells]
    if len(cells) == 1:
        return kinds[0] not in (None, Kind.ADMIN, Kind.ROLE)
    if len(cells) == 2 and kinds[0] is None and role_of(cells[1]) is not None:
        return False
    return any(kind is not None for kind in kinds)


def may_be_a_user(cells: Sequence[str]) -> bool:
    """Can the row be a user as well as a heading, like `student` alone on a line?"""
    return len(cells) == 1 and key_of(cells[0]) in _MAY_BE_A_USER


def named_column(headings: Sequence[str], wanted: str) -> int:
    """The column that the operator names, by its heading or by what it holds, like `email`. Raises ValueError."""
    found = [index for index, one in enumerate(headings) if key_of(one) == key_of(wanted)]
    kind = kind_of(wanted)
    if not found and kind is not None:
        found = [index for index, one in enumerate(headings) if kind_of(one) is kind]
    if len(found) == 1:
        return found[0]
    why = f"several columns could be {wanted!r}" if found else f"there is no column {wanted!r}"
    raise ValueError(f"{why}: the columns are {_listed(headings)}")


def chosen_column(headings: Sequence[str]) -> int:
    """The only column that can hold the user names. Raises ValueError that names those in question."""
    found = _candidates(headings)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(
            f"no heading is known as that of user names: the columns are {_listed(headings)}: name one of them with"
            " `cloudjhub users add --from FILE --column NAME`, or write one user name on each line"
        )
    candidates = [headings[index] for index in found]
    raise ValueError(
        f"the user names could be in {len(found)} columns, {_listed(candidates)}: choose one with"
        f' `cloudjhub users add --from FILE --column "{candidates[0]}"`'
    )


def _candidates(headings: Sequence[str]) -> list[int]:
    """An id of another system is meant only beside no user name, and `name` only where nothing else is."""
    of = {kind: [index for index, one in enumerate(headings) if kind_of(one) is kind] for kind in Kind}
    if of[Kind.LOGIN]:
        return of[Kind.LOGIN] + of[Kind.EMAIL]
    if of[Kind.EMAIL]:
        return of[Kind.EMAIL] + of[Kind.NUMBER]
    if of[Kind.NUMBER]:
        return of[Kind.NUMBER] + of[Kind.NAME]
    is_alone = len(of[Kind.NAME] + of[Kind.ADMIN] + of[Kind.ROLE]) == len(headings)
    return of[Kind.NAME] if is_alone else []


def is_admin(headings: Sequence[str], cells: Sequence[str]) -> bool:
    """Does the row make its user an administrator? Roles of a learning platform, like `Dozent/in`, do not.

    Raises ValueError for a word below `admin` that is neither yes nor no.
    """
    for heading, cell in zip(headings, cells, strict=False):
        kind, word = kind_of(heading), cell.casefold()
        if kind is Kind.ADMIN:
            if word not in _YES | _NO:
                raise ValueError(f"{cell!r} below {heading!r} is neither yes nor no")
            return word in _YES
        if kind is Kind.ROLE:
            return word in _ADMIN
    return False


def _listed(headings: Sequence[str]) -> str:
    return ", ".join(f'"{one}"' for one in headings if one)
