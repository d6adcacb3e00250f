"""A YAML file as texts, lists and tables, and the line of each key.

Nothing is guessed from how a value looks: whether `no`, `012` or `1:30` is a text or a number depends on the setting,
so YAML 1.1's surprises cannot happen. Anchors, tags and duplicate keys are refused.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from bootstrap.errors import SettingsError

LARGEST = 256 * 1024
"""Bytes: far more than any cluster needs."""
LONGEST_QUOTED = 60
LONGEST_KEY = 128
DEEPEST = 20

KeyPath = tuple[str | int, ...]
"""Where a value is: keys of tables and indexes of lists, from the top of the file."""


class Plain(str):
    """A text without quotes: it may be meant as a number, true or false."""

    __slots__ = ()


class WrongSetting(SettingsError):
    """A wrong setting: `key` names it, `message` says what is wrong without the place in the file."""

    def __init__(self, where: str, key: str, message: str) -> None:
        super().__init__(": ".join(part for part in (where, key, message) if part))
        self.key = key
        self.message = message


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds. Texts are str or `Plain`; what has no value is None."""

    file: Path
    values: dict[str, Any]
    lines: dict[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """The line of a key; of the section it would be in, if it is not in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def wrong(self, path: KeyPath, message: str) -> WrongSetting:
        """The error that names file, line and key."""
        key = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
        return WrongSetting(f"{self.file}, line {self.line(path)}", key, message)


def parse(content: bytes, file: Path) -> Document:
    """What the file holds; no values for an empty file. Raises SettingsError."""
    found = Document(file, {}, {})
    if len(content) > LARGEST:
        raise SettingsError(f"{file} is larger than {LARGEST // 1024} KB: it is not a settings file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found.lines[()] = content.count(b"\n", 0, error.start) + 1
        raise found.wrong((), "not UTF-8 text: save the file as UTF-8") from error
    try:
        node = yaml.compose(text, Loader=_Composer)
        value = None if node is None else _value(node, (), found)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found.lines[()] = mark.line + 1 if mark else 1
        message = f"not YAML: {error.problem or error.context}".replace("\n", " ")
        raise found.wrong((), message) from error
    except yaml.reader.ReaderError as error:
        found.lines[()] = text.count("\n", 0, error.position) + 1
        raise found.wrong((), "not YAML: it contains a character that cannot be printed") from error
    except (ValueError, OverflowError, RecursionError) as error:
        # An impossible \U escape; brackets without end.
        raise SettingsError(
            f"{file}: not YAML: {type(error).__name__}: write a new file with `cloudjhub init`"
        ) from error
    if value is not None and not isinstance(value, dict):
        raise found.wrong((), "must hold lines like `cluster: physics`: write one with `cloudjhub init`")
    found.values.update(value or {})
    return found


def quoted(value: object) -> str:
    """A value for an error: on one line, not too long."""
    text = str(value)
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


def _value(node: yaml.Node, path: KeyPath, document: Document) -> Any:
    """A node's value; the lines of what is below it are added to the document."""
    if len(path) > DEEPEST:
        raise document.wrong(path, "nested too deeply")
    namespace, _, kind = node.tag.rpartition(":")
    if namespace != "tag:yaml.org,2002" or kind not in ("str", "seq", "map"):
        raise document.wrong(path, f"the tag {quoted(node.tag)} is not understood: leave it out")
    if isinstance(node, yaml.ScalarNode):
        return _text(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            document.lines[*path, index] = _line(item)
        return [_value(item, (*path, index), document) for index, item in enumerate(node.value)]
    return _table(node, path, document)


def _text(node: yaml.ScalarNode, path: KeyPath, document: Document) -> str | None:
    text = node.value.rstrip("\n")  # that a block ends with
    is_plain = node.style is None
    if not text.isprintable():
        raise document.wrong(path, "has an invisible character or a line break in it: write it on one line")
    if not text or (is_plain and text in ("~", "null")):
        return None
    return Plain(text) if is_plain else str(text)


def _table(node: yaml.Node, path: KeyPath, document: Document) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in node.value:
        line = _line(key)
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if not 0 < len(name) <= LONGEST_KEY or not name.isprintable():
            document.lines[path] = line
            raise document.wrong(path, "a key must be a word followed by a colon")
        document.lines[*path, name] = line
        if name in table:
            raise document.wrong((*path, name), "given twice: remove one of the two lines")
        table[name] = _value(value, (*path, name), document)
    return table


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
