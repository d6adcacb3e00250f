"""The rows of a text file, as editors, spreadsheets and learning platforms write it: encodings, delimiters, comments.

Pure. What cannot be read is a ValueError that says what to do.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hub.users import columns

LARGEST = 4 * 1024 * 1024
"""Bytes: a thousand students with the grades of a hundred assignments."""
MOST_LINES = 20_000
LONGEST_LINE = 100_000
"""Characters: less than csv's limit for a field."""

_DELIMITERS = "\t;,|"
_BOMS = (  # UTF-32's begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_EXCEL = "an Excel workbook: save it as CSV (in Excel: File, Save As, CSV UTF-8)"
_NOT_TEXT = (
    (b"PK\x03\x04", _EXCEL),
    (b"\xd0\xcf\x11\xe0", _EXCEL),
    (b"%PDF", "a PDF: export the list as CSV"),
    (b"\x1f\x8b", "compressed: unpack it first"),
    (b"{\\rtf", "a text with formatting: save it as plain text"),
)
_NOT_ROWS = (
    (("<html", "<!doctype", "<?xml", "<table"), "a web page or XML: export the list as CSV"),
    (("{", "["), "JSON: write one user name on each line, or CSV"),
)
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row's cells, without the spaces around them and without empty ones at its end."""

    line: int
    cells: tuple[str, ...]


def rows_in(content: bytes) -> list[Row]:
    """The rows that have a cell. Bytes that are not UTF-8 are lone surrogates. Raises ValueError."""
    lines = list(io.StringIO(_text(content), newline=""))
    if len(lines) > MOST_LINES:
        raise ValueError(f"it has more than {MOST_LINES} lines: divide it")
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            raise ValueError(
                f"line {number}: longer than {LONGEST_LINE} characters: write one user on each line"
            )
    return list(_rows(lines))


def shown(cell: str) -> str:
    """A cell for a message: bytes that are not UTF-8 as they read in Windows-1252, which Excel writes."""
    if not has_other_bytes(cell):
        return cell
    return cell.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


def has_other_bytes(cell: str) -> bool:
    """Has it bytes that are not UTF-8?"""
    return any("\udc80" <= character <= "\udcff" for character in cell)


def _text(content: bytes) -> str:
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 1024 // 1024} MB: it is not a list of users")
    for magic, what in _NOT_TEXT:
        if content.startswith(magic):
            raise ValueError(f"it is {what}")
    codec = next((codec for bom, codec in _BOMS if content.startswith(bom)), _codec_without_bom(content))
    try:
        text = content.decode(codec, "surrogateescape" if codec.startswith("utf-8") else "strict")
    except UnicodeDecodeError as error:
        raise ValueError(f"it begins like {codec.upper()}, but is not: save it as UTF-8") from error
    if "\0" in text:
        raise ValueError("it is not a text: export the list as CSV")
    for starts, what in _NOT_ROWS:
        if text.lstrip().lower().startswith(starts):
            raise ValueError(f"it is {what}")
    return text


def _codec_without_bom(content: bytes) -> str:
    """UTF-16 has a zero in each Latin letter."""
    start = content[:200]
    first, second = start[::2].count(0), start[1::2].count(0)
    if max(first, second) * 4 < len(start) or min(first, second) or not start:
        return "utf-8"
    return "utf-16-be" if first else "utf-16-le"


def _rows(lines: Sequence[str]) -> Iterator[Row]:
    given = _SEPARATOR.fullmatch(lines[0]) if lines else None
    # Brightspace writes # before each value.
    has_comments = not any("End-of-Line Indicator" in line for line in lines[:1])
    kept = ["\n" if has_comments and line.lstrip().startswith("#") else line for line in lines]
    if given:
        kept[0] = "\n"
    reader = csv.reader(
        kept, delimiter=given[1] if given else _delimiter(kept), skipinitialspace=True, strict=True
    )
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise ValueError(f"line {line}: it is not CSV ({error}): check its quotation marks") from error
        if cells is None:
            return
        stripped = [cell.strip() for cell in cells]
        while stripped and not stripped[-1]:
            stripped.pop()
        if stripped:
            yield Row(line, tuple(stripped))


def _delimiter(lines: Sequence[str]) -> str:
    """The one that shows most known headings in the first row, then most cells, then the one of most lines.

    A bar may be part of a name, like auth0|66c9: it divides headings only.
    """
    first = [line for line in lines if line.strip()][:1]

    def rank(delimiter: str) -> tuple[int, int, int]:
        cells = next(csv.reader(first, delimiter=delimiter, skipinitialspace=True), [])
        known = sum(columns.kind_of(cell) is not None for cell in cells)
        if delimiter == "|" and not known:
            return 0, 0, 0
        return known, len(cells), sum(delimiter in line for line in lines)

    return max(_DELIMITERS, key=rank)
