"""Settings as the text of a cluster.yaml that a newcomer can edit: every key is there, with its description.

What has its default value is a comment, unless it is among the first things that people change.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from bootstrap.config.policy import DURATIONS, IdlePolicy
from bootstrap.config.settings import (
    ClusterSettings,
    Hub,
    Login,
    Manager,
    Network,
    Timing,
    Workers,
    fields_of,
)
from bootstrap.config.values import duration_text
from lifecycle_app.contract import Level
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.policy_words import BUDGETS, NEVER, UNLIMITED

HEADING = """\
# A cloudJHub cluster. `cloudjhub plan` shows what these settings would build and what it costs a month;
# `cloudjhub up` builds it, or changes what is there. A line after a # is not read: it shows the default, or an example.
"""

_PLAIN = re.compile(r"[A-Za-z0-9/._][\w/.@+ ()=<>~-]*\Z", re.ASCII)
_RESOLVER = yaml.resolver.Resolver()
_TEXT_TAG = "tag:yaml.org,2002:str"
_OWN_NETWORKS = ("egress", "cidr", "zones")
"""What an existing VPC has already."""
_SECTIONS = {
    "network": Network, "workers": Workers, "manager": Manager, "hub": Hub, "login": Login, "policy": IdlePolicy,
    "timing": Timing,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    comment: str


def text(settings: ClusterSettings, directory: Path) -> str:
    """The file's text, for a file in `directory`: paths in it become relative."""
    top = [
        _line(name, field, getattr(settings, name), directory)
        for name, field in fields_of(ClusterSettings).items()
        if name not in _SECTIONS
    ]
    written = [HEADING, _aligned(top)]
    for section, kind in _SECTIONS.items():
        fields = fields_of(kind)
        if section == "policy":
            lines = [_policy_line(name, field, settings.policy) for name, field in fields.items()]
        else:
            given = getattr(settings, section)
            lines = [
                _line(name, field, getattr(given, name), directory, "  ")
                for name, field in fields.items()
                if section != "network" or settings.network.is_ours or name not in _OWN_NETWORKS
                if name != "types" or not settings.workers.profiles
            ]
        written.append(f"{section}:\n{_aligned(lines)}")
    return "\n".join(written)


def _line(name: str, field: FieldInfo, value: Any, directory: Path, indent: str = "") -> _Line:
    default = field.get_default(call_default_factory=True, validated_data={})
    is_default = value == (directory / default if isinstance(default, Path) else default)
    shown = field.examples[0] if is_default and field.examples else _value(value, directory)
    mark = "" if field.json_schema_extra or not is_default else "# "
    return _Line(f"{indent}{mark}{name}: {shown}", field.description or "")


def _policy_line(name: str, field: FieldInfo, given: Mapping[str, Any]) -> _Line:
    mark = "" if name in given else "# "
    value = given[name] if name in given else _as_json(getattr(Policy(), name))
    if name in DURATIONS:
        shown = NEVER if value is None else duration_text(timedelta(seconds=value))
    elif name in BUDGETS and value is None:
        shown = UNLIMITED
    else:
        shown = _value(value, Path())
    return _Line(f"  {mark}{name}: {shown}", field.description or "")


def _as_json(value: Any) -> Any:
    """A policy's value as its JSON has it."""
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, frozenset):
        return [one.name.lower() if isinstance(one, Level) else str(one) for one in sorted(value)]
    return value


def _value(value: Any, directory: Path) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case StrEnum():
            return value.value
        case int() | float():
            return (
                f"{Decimal(repr(value)).normalize():f}"
                if value == int(value)
                else f"{Decimal(repr(value)):f}"
            )
        case timedelta():
            return duration_text(value)
        case Path():
            return _text(_relative(value, directory))
        case (first, *_) if is_dataclass(first):
            return "".join(f"\n    - {_flow(_given(one))}" for one in value)
        case Mapping():
            return "".join(f"\n    {_text(name)}: {_flow(entry)}" for name, entry in value.items())
        case list() | tuple():
            return f"[{', '.join(_text(one) if isinstance(one, str) else _flow(one) for one in value)}]"
        case _:
            return _text(str(value))


def _given(value: Any) -> dict[str, Any]:
    """The fields of an entry that are not empty."""
    return {name: one for name, one in asdict(value).items() if one}


def _relative(path: Path, directory: Path) -> str:
    inside = str(path.relative_to(directory)) if path.is_relative_to(directory) else str(path)
    return f"./{inside}" if inside.startswith("~") else inside


def _text(value: str) -> str:
    """A text, in quotes where a reader of YAML could take it for something else."""
    if _PLAIN.match(value) and value == value.strip():
        tag = _RESOLVER.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
        if tag == _TEXT_TAG:
            return value
    return json.dumps(value, ensure_ascii=False)


def _flow(value: Any) -> str:
    """Any JSON value, on one line."""
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {_flow(v)}" for k, v in value.items())
            + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None:
        return "null"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else _value(value, Path())


def _aligned(lines: list[_Line]) -> str:
    """The lines with their comments in one column, as far as that is not far out."""
    width = max(
        (len(line.text) for line in lines if len(line.text) <= 44 and "\n" not in line.text), default=0
    )
    return "".join(_commented(line, width) for line in lines)


def _commented(line: _Line, width: int) -> str:
    if not line.comment:
        return f"{line.text}\n"
    first, newline, rest = line.text.partition("\n")
    return f"{first.ljust(width)}  # {line.comment}\n{rest}{newline}"
