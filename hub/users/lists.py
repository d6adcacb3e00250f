"""Lists of users, as people write them and as learning platforms export them: a name on each line, or a table.

A line that cannot be used is named with what is wanted, and then nothing of the list is used. Nothing is guessed where
two users or two columns could be meant.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.errors import SettingsError
from hub.users import columns
from hub.users.names import People, accepted
from hub.users.tables import LARGEST, Row, has_other_bytes, rows_in, shown

MOST_NAMED = 3
"""Wrong lines that an error names."""
TOKEN_USER = "__tokengeneratoradmin"  # noqa: S105 -- a user's name
"""Held the culler's token in the earlier cloudJHub's lists."""

_TEST_STUDENT = "Student, Test"
"""Canvas's own, in each course."""
_WITH_ROLE = re.compile(r"(.*\S)\s+admin", re.IGNORECASE)
_REMARK = re.compile(r"\s+#.*")
_FORMULA = re.compile(r'="([^"]*)"')
_SHORTENED = re.compile(r"[0-9]+([.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
_MARKED = re.compile(r"([-*•·–—]|[0-9]+[.)])\s")
_TYPOGRAPHIC = frozenset("“”„‟‘’‚‛«»‹›`´")


@dataclass(frozen=True, slots=True)
class Listed:
    """The users of a list by normalised name, in its order: is each an administrator?"""

    users: Mapping[str, bool] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What the operator should know: the column, and what was left out."""

    @property
    def people(self) -> People:
        """As a list of the cluster's users."""
        admins = frozenset(name for name, is_admin in self.users.items() if is_admin)
        return People(frozenset(self.users), admins)


def from_file(file: Path, column: str = "") -> Listed:
    """The users in a file. Raises SettingsError that names the file, the line and what is wanted."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    return listed(content, str(file), column)


def listed(content: bytes, file: str, column: str = "") -> Listed:
    """The users in the content of a file, from the column of that heading if one is given. Raises SettingsError.
    Pure.
    """
    entries = _Entries()
    try:
        rows = rows_in(content)
        if rows and (column or columns.is_heading(rows[0].cells)):
            _read_table(rows, column, entries)
        else:
            for row in rows:
                _read_line(row, entries)
        return entries.result()
    except ValueError as error:
        place = ", " if str(error).startswith("line ") else ": "
        raise SettingsError(f"{file}{place}{error}") from error


def text_of(people: People) -> str:
    """What `from_file` reads: a name on each line, or a table where a name could be taken for something else."""
    names = sorted(people.users)
    if all(_is_plain(name) for name in names):
        return "".join(f"{name} admin\n" if name in people.admins else f"{name}\n" for name in names)
    written = io.StringIO()
    rows = [(name, "admin" if name in people.admins else "user") for name in names]
    csv.writer(written, lineterminator="\n").writerows([("username", "role"), *rows])
    return written.getvalue()


def _is_plain(name: str) -> bool:
    """Is the name read as it is, alone on a line?"""
    return not (set(name) & set('\t;,"') or _WITH_ROLE.fullmatch(name) or columns.is_heading((name,)))


class _Entries:
    """The users found so far, and what is wrong."""

    def __init__(self) -> None:
        self._users: dict[str, tuple[bool, int]] = {}
        self._twice: list[str] = []
        self._problems: list[str] = []
        self.notes: list[str] = []

    def is_empty(self) -> bool:
        """Has there been no user yet?"""
        return not self._users and not self._problems

    def add(self, name: str, line: int, *, is_admin: bool) -> None:
        """Adds a user, or keeps why not."""
        try:
            key = accepted(_usable(name))
        except ValueError as error:
            self.refuse(line, f"{str(error).rstrip('.')}: correct it")
            return
        if key == TOKEN_USER:
            self.notes.append(f"line {line} is left out: {key} held the token of the earlier cloudJHub")
            return
        was_admin, at = self._users.setdefault(key, (is_admin, line))
        if was_admin != is_admin:
            self.refuse(line, f"{key} is in line {at} too, with another role: remove one of the two")
        elif at != line:
            self._twice.append(f"{key} (lines {at} and {line})")

    def refuse(self, line: int, why: str) -> None:
        """Keeps why a line cannot be used."""
        self._problems.append(f"line {line}: {why}")

    def result(self) -> Listed:
        """All users. Raises ValueError if any line was refused."""
        if self._problems:
            more = len(self._problems) - MOST_NAMED
            rest = [f"and {more} more"] if more > 0 else []
            raise ValueError("; ".join([*self._problems[:MOST_NAMED], *rest]))
        twice = [f"in the list twice: {', '.join(self._twice)}"] if self._twice else []
        return Listed({name: is_admin for name, (is_admin, _) in self._users.items()}, (*self.notes, *twice))


def _read_line(row: Row, entries: _Entries) -> None:
    """A row without headings: `name`, `name admin` or `name,admin`."""
    first, *others = row.cells
    if not others:
        name = _REMARK.sub("", first)
        with_role = _WITH_ROLE.fullmatch(name)
        entries.add(with_role[1] if with_role else name, row.line, is_admin=with_role is not None)
        return
    is_admin = columns.role_of(others[0]) if len(others) == 1 else None
    if is_admin is None:
        entries.refuse(
            row.line,
            f"{len(row.cells)} columns and no headings: write one user name on each line, `name,admin` for an"
            " administrator, or headings like `username,name` in the first line",
        )
        return
    entries.add(first, row.line, is_admin=is_admin)


def _read_table(rows: Sequence[Row], column: str, entries: _Entries) -> None:
    """Rows below headings. Raises ValueError if the column is not clear, or has no rows."""
    first = rows[0]
    headings = [shown(cell) for cell in first.cells]
    if columns.may_be_a_user(headings) and not column:
        raise ValueError(
            f"line {first.line}: {headings[0]!r} could be a user or a heading: remove it if it is a heading; write a"
            " line `username` above it if it is a user"
        )
    try:
        chosen = columns.named_column(headings, column) if column else columns.chosen_column(headings)
    except ValueError as error:
        raise ValueError(f"line {first.line}: {error}") from error
    if len(rows) == 1:
        raise ValueError(f"line {first.line}: there are headings only, and no users below them")
    entries.notes.append(f'the user names are those in the column "{headings[chosen]}"')
    for row in rows[1:]:
        if len(headings) == len(row.cells) == 1:
            _read_line(row, entries)
        else:
            _read_row(row, headings, chosen, entries)


def _read_row(row: Row, headings: Sequence[str], chosen: int, entries: _Entries) -> None:
    if len(row.cells) > len(headings):
        entries.refuse(row.line, "more cells than headings: a cell with a comma in it needs quotation marks")
        return
    cells = [*row.cells, *[""] * (len(headings) - len(row.cells))]
    keys = [columns.key_of(heading) for heading in headings]
    by_key = dict(zip(keys, cells, strict=True))
    if _is_canvas(by_key, is_first=entries.is_empty()):
        entries.notes.append(f"line {row.line} is left out: {row.cells[0] or row.cells[-1]}")
        return
    name = cells[chosen].removeprefix("#" if "endoflineindicator" in by_key else "")
    if not name:
        entries.refuse(row.line, f'nothing below "{headings[chosen]}": write it there, or remove the line')
        return
    try:
        is_admin = columns.is_admin(headings, cells)
    except ValueError as error:
        entries.refuse(row.line, str(error))
    else:
        entries.add(name, row.line, is_admin=is_admin)


def _is_canvas(cells: Mapping[str, str], *, is_first: bool) -> bool:
    """Is it a row of Canvas's own: its test student, or between headings and students (possible points, posting)?"""
    if not {"student", "section"} <= cells.keys():
        return False
    has_student = any(cells.get(key) for key in ("id", "sisuserid", "sisloginid", "section"))
    return cells["student"] == _TEST_STUDENT or (is_first and not has_student)


def _usable(cell: str) -> str:
    """The name in a cell. Raises ValueError for what is hardly a part of it."""
    if has_other_bytes(cell):
        raise ValueError(
            f"not UTF-8 (as Windows-1252 it reads {shown(cell)!r}; save the file as UTF-8, in Excel as `CSV UTF-8`,"
            " or convert it with `iconv -f WINDOWS-1252 -t UTF-8`)"
        )
    formula = _FORMULA.fullmatch(cell)
    name = formula[1] if formula else cell
    problem = _problem(name)
    if problem:
        raise ValueError(f"{name[:100]!r} {problem}")
    return name


def _problem(name: str) -> str | None:
    """Why this is not what was meant, though the hub's rules would accept it."""
    if _SHORTENED.fullmatch(name):
        return "is a number that a spreadsheet has shortened (format the column as text)"
    if _MARKED.match(name):
        return "begins with the mark of a list"
    ends = {name[:1], name[-1:]}
    if ends & _TYPOGRAPHIC or (len(name) > 1 and ends <= {"'", '"'}):
        return "has quotation marks around it"
    return None
