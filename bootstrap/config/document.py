"""A YAML file as text, lists and tables that know their place in it.

Nothing is guessed from how a value looks: whether `no`, `012` or `1:30` is text or a number is for the reader of its
key to say, so YAML 1.1's surprises cannot happen. Anchors, tags and keys given twice are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import yaml

from bootstrap.errors import SettingsError

LARGEST = 256 * 1024
"""Bytes: far more than any cluster needs."""
LONGEST_QUOTED = 60
LONGEST_KEY = 100
DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: `key` with dots, like `workers.disk`; "" for the whole file."""

    file: Path
    line: int
    key: str = ""

    def below(self, name: str, line: int) -> Place:
        return Place(self.file, line, f"{self.key}.{name}" if self.key else name)

    def wrong(self, message: str) -> WrongSetting:
        """The error that names file, line and key."""
        return WrongSetting(self, message)


class WrongSetting(SettingsError):
    """What is wrong at a place; `words` is that alone, `key` the setting."""

    def __init__(self, place: Place, words: str) -> None:
        where = f"{place.file}, line {place.line}"
        super().__init__(": ".join(part for part in (where, place.key, words) if part))
        self.key = place.key
        self.words = words


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as it is written; `is_plain` if it is not in quotes."""

    place: Place
    text: str
    is_plain: bool = True

    @property
    def is_empty(self) -> bool:
        """Is there nothing after the key?"""
        return not self.text or (self.is_plain and self.text in ("~", "null"))


@dataclass(frozen=True, slots=True)
class Listing:
    place: Place
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Table:
    place: Place
    entries: dict[str, Value] = field(default_factory=dict)


Value = Scalar | Listing | Table


def parse(content: bytes, file: Path) -> Table:
    """What the file holds; an empty table for an empty file. Raises SettingsError."""
    top = Place(file, 1)
    if len(content) > LARGEST:
        raise SettingsError(f"{file} has more than {LARGEST // 1024} KB: it is no settings file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Place(file, line).wrong("not UTF-8 text: save the file as UTF-8") from error
    try:
        node = yaml.compose(text, Loader=_Composer)
        value = Scalar(top, "") if node is None else _value(node, top, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1 if mark else 1)
        raise place.wrong(f"not YAML: {error.problem or error.context}".replace("\n", " ")) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Place(file, line).wrong(
            "not YAML: there is a character in it that cannot be printed"
        ) from error
    except (
        ValueError,
        OverflowError,
        RecursionError,
    ) as error:  # an impossible \U escape; brackets without end
        raise SettingsError(
            f"{file}: not YAML: {type(error).__name__}: begin again with `cloudjhub init`"
        ) from error
    if isinstance(value, Scalar) and value.is_empty:
        return Table(top)
    if not isinstance(value, Table):
        raise top.wrong("must hold lines like `cluster: physics`: begin with `cloudjhub init`")
    return value


def quoted(text: str) -> str:
    """A text for an error: on one line, not too long."""
    return ascii(text if len(text) <= LONGEST_QUOTED else text[:LONGEST_QUOTED] + "...")


def suggestion(wrong: str, known: list[str]) -> str:
    """The nearest known name as a question, or all of them."""
    near = get_close_matches(wrong.lower().replace("-", "_"), known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


class _Composer(yaml.SafeLoader):
    """Texts, lists and tables only: no implicit types, no aliases."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 -- PyYAML's own attribute

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "write the value out instead of *alias", mark)
        return super().compose_node(parent, index)


def _value(node: yaml.Node, place: Place, depth: int) -> Value:
    if depth > DEEPEST:
        raise place.wrong("nested too deeply")
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.rpartition(":")[2] not in (
        "str",
        "seq",
        "map",
    ):
        raise place.wrong(f"the tag {quoted(node.tag)} is not understood: leave it out")
    if isinstance(node, yaml.ScalarNode):
        text = node.value.rstrip("\n")  # that a block ends with
        if not text.isprintable():
            raise place.wrong("has an invisible character or a line break in it: write it on one line")
        return Scalar(place, text, is_plain=node.style is None)
    if isinstance(node, yaml.SequenceNode):
        items = (
            _value(item, place.below(str(n), _line(item)), depth + 1) for n, item in enumerate(node.value, 1)
        )
        return Listing(place, tuple(items))
    return _table(node, place, depth)


def _table(node: yaml.Node, place: Place, depth: int) -> Table:
    entries: dict[str, Value] = {}
    for key, value in node.value:
        line = _line(key)
        if (
            not isinstance(key, yaml.ScalarNode)
            or not 0 < len(key.value) <= LONGEST_KEY
            or not key.value.isprintable()
        ):
            raise Place(place.file, line, place.key).wrong("a key must be a word followed by a colon")
        if key.value in entries:
            raise place.below(key.value, line).wrong("given twice: remove one of the two lines")
        entries[key.value] = _value(value, place.below(key.value, line), depth + 1)
    return Table(place, entries)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
