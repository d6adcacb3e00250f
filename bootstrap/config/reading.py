"""cluster.yaml, read strictly: what is unknown, misspelt or wrong is one line with the place and what to do."""

from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bootstrap.config.contradictions import contradictions
from bootstrap.config.document import LARGEST, Document, KeyPath, WrongSetting, parse, quoted, suggestion
from bootstrap.config.settings import ClusterSettings, field_at, fields_of
from bootstrap.config.values import NOT_A_NUMBER, duration_text
from bootstrap.errors import SettingsError

UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
OUT_OF_BOUNDS = (NOT_A_NUMBER, "greater_than_equal", "less_than_equal")
KINDS = {int: "a whole number", float: "a number", timedelta: "a duration"}

_settings = TypeAdapter(ClusterSettings)


def read_settings(file: Path) -> ClusterSettings:
    """The cluster that a file describes; its relative paths are relative to the file. Raises SettingsError."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise SettingsError(
            f"{file} does not exist: write it with `cloudjhub init`, or name another with --file"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read: {error.strerror}: name another file with --file"
        ) from error
    return settings_in(content, file)


def settings_in(content: bytes, file: Path) -> ClusterSettings:
    """The settings in the content of `file`. Raises SettingsError."""
    document = parse(content, file)
    given = {"network": {}, "login": {}, **_without_empty(document.values, ClusterSettings)}
    try:
        found = _settings.validate_python(given, context={"directory": file.parent})
    except ValidationError as error:
        raise _first(error, document) from error
    if not found.network.name:
        found = replace(found, network=replace(found.network, name=found.cluster))
    for path, message in contradictions(found, document.lines):
        raise document.wrong(path, message)
    return found


def _without_empty(given: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """What is given, without what has no value where the default is empty: there it means the default."""
    kept = {}
    for name, value in given.items():
        field = fields_of(kind).get(name)
        if field is None:
            kept[name] = value
        elif value is not None:
            is_section = is_dataclass(field.annotation) and isinstance(value, dict)
            kept[name] = _without_empty(value, field.annotation) if is_section else value
        elif not _may_be_empty(field):
            kept[name] = None
    return kept


def _may_be_empty(field: FieldInfo) -> bool:
    default = field.get_default(call_default_factory=True, validated_data={})
    return is_dataclass(field.annotation) or default in ("", None, (), {})


def _first(error: ValidationError, document: Document) -> WrongSetting:
    """The first of pydantic's errors in the order of the file; in a line, an unknown key before its value."""
    errors = [(_path(one), one) for one in error.errors(include_url=False)]
    path, first = min(errors, key=lambda one: (document.line(one[0]), one[1]["type"] not in UNKNOWN))
    if first["type"] == "missing":
        return document.wrong(
            path[:-1],
            f"{path[-1]} is missing: add a line `{path[-1]}: ...`, or write a file with `cloudjhub init`",
        )
    return document.wrong(path, _message(path, first))


def _path(error: ErrorDetails) -> KeyPath:
    """Where an error is; pydantic marks errors of a mapping's keys."""
    return tuple(part for part in error["loc"] if part != "[key]")


def _message(path: KeyPath, error: ErrorDetails) -> str:
    """What is wrong and what to do."""
    kind, given = error["type"], error["input"]
    if kind in UNKNOWN:
        return f"there is no such setting: {_meant(path)}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if given is None or kind in ("too_short", "string_too_short"):
        return "is empty: give it a value or remove the line"
    if kind in ("dataclass_type", "dict_type", "mapping_type"):
        return f"must hold indented lines below it{_with_keys(path)}"
    if isinstance(given, list | dict):
        return "must be one value, not a list or further lines below it"
    field = field_at(path)
    if field is not None and kind == "enum" and isinstance(field.annotation, type):
        known = [str(one) for one in field.annotation if issubclass(field.annotation, StrEnum)]
        return f"{quoted(given)} is unknown: {suggestion(str(given), known)}"
    if field is not None and kind in OUT_OF_BOUNDS:
        return f"{quoted(error['input'])} is not usable: set it to {_bounds(field)}"
    return error["msg"]


def _bounds(field: FieldInfo) -> str:
    """Like "a whole number from 1 to 100, without quotes"."""
    least, most = (
        next(getattr(one, name) for one in field.metadata if hasattr(one, name)) for name in ("ge", "le")
    )
    if isinstance(least, timedelta):
        least, most = duration_text(least), duration_text(most)
    return f"{KINDS[field.annotation]} from {least} to {most}, without quotes"  # type: ignore[index]


def _with_keys(path: KeyPath) -> str:
    field = field_at(path)
    known = fields_of(field.annotation) if field else {}
    return f", with {', '.join(known)}" if known else ", like `name: value`"


def _meant(path: KeyPath) -> str:
    """The setting that was meant: one of this section, or one of the same name in another one."""
    *above, name = path
    section = field_at(above)
    elsewhere = [
        other for other, field in fields_of(ClusterSettings).items()
        if is_dataclass(field.annotation) and name in fields_of(field.annotation)
    ]  # fmt: skip
    is_in_list = bool(above) and isinstance(above[-1], int)
    if elsewhere and not is_in_list:
        return f"{name} belongs below {' or '.join(f'`{other}:`' for other in elsewhere)}"
    return suggestion(str(name), list(fields_of(section.annotation if section else ClusterSettings)))
