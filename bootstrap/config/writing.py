"""Settings as the text of a cluster.yaml that a newcomer can edit: every key is there, with what it is for.

What has its default value stands as a comment, unless it is among the first things that people change.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from bootstrap.config.explanations import LOGIN, MANAGER, NETWORK, POLICY, TIMING, TOP, WORKERS, Explained
from bootstrap.config.policy import DURATIONS, NEVER
from bootstrap.config.settings import ClusterSettings, Login, Manager, Network, Timing, Workers
from lifecycle_app.model.policy import Level, Policy

HEADING = """\
# A cloudJHub cluster. `cloudjhub plan` shows what these settings would build and what it costs a month;
# `cloudjhub up` builds it, or changes what is there. A line behind a # is not read: it shows what holds without it.
"""

_PLAIN = re.compile(r"[A-Za-z0-9/._][\w/.@+ ()=<>~-]*\Z", re.ASCII)
_RESOLVER = yaml.resolver.Resolver()
_TEXT_TAG = "tag:yaml.org,2002:str"
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_NOTHING = ClusterSettings(cluster="", region="", owner="", network=Network(name=""))
_EXISTING = ("name", "vpc", "manager_subnet", "worker_subnets")


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    comment: str


def text(settings: ClusterSettings, directory: Path) -> str:
    """The file's text, for a file in `directory`: paths in it become relative."""
    network = settings.network
    explained = [one for one in NETWORK if network.is_ours or one.key in _EXISTING]
    sections = [
        _section("network", explained, network, Network(name=""), directory),
        _section("workers", WORKERS, settings.workers, Workers(), directory),
        _section("manager", MANAGER, settings.manager, Manager(), directory),
        _section("login", LOGIN, settings.login, Login(users_file=directory / Login().users_file), directory),
        _policy(settings.policy),
        _section("timing", TIMING, settings.timing, Timing(), directory),
    ]
    return "\n".join([HEADING, _aligned(_lines(TOP, settings, _NOTHING, directory)), *sections])


def _section(name: str, explained: Iterable[Explained], given: Any, default: Any, directory: Path) -> str:
    return f"{name}:\n{_aligned(_lines(explained, given, default, directory, indent='  '))}"


def _lines(
    explained: Iterable[Explained], given: Any, default: Any, directory: Path, indent: str = ""
) -> list[_Line]:
    lines = []
    for one in explained:
        value = getattr(given, one.key)
        is_default = value == getattr(default, one.key)
        shown = one.example if is_default and one.example else _value(value, directory)
        mark = "# " if is_default and not one.is_shown else ""
        lines.append(_Line(f"{indent}{mark}{one.key}: {shown}", one.comment))
    return lines


def _policy(given: Mapping[str, Any]) -> str:
    default = Policy()
    lines = []
    for one in POLICY:
        if one.key in given:
            shown, mark = _policy_value(one.key, given[one.key]), ""
        else:
            shown, mark = _policy_value(one.key, _as_json(getattr(default, one.key))), "# "
        lines.append(_Line(f"  {mark}{one.key}: {shown}", one.comment))
    return f"policy:\n{_aligned(lines)}"


def _as_json(value: Any) -> Any:
    """A policy's value as its JSON has it."""
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, frozenset):
        return [Level(level).name.lower() for level in sorted(value)]
    return value


def _policy_value(key: str, value: Any) -> str:
    if key in DURATIONS:
        return NEVER if value is None else duration(timedelta(seconds=value))
    return _value(value, Path())


def duration(value: timedelta) -> str:
    """Like 90s or 1h: in the largest unit that gives a whole number."""
    seconds = int(value.total_seconds())
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds % size == 0), _UNITS[-1])
    return f"{seconds // size}{unit}" if seconds else "0s"


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
            return duration(value)
        case Path():
            return _text(_relative(value, directory))
        case Mapping():
            return "".join(f"\n    {_text(name)}: {_flow(entry)}" for name, entry in value.items())
        case list() | tuple():
            return f"[{', '.join(_text(one) if isinstance(one, str) else _flow(one) for one in value)}]"
        case _:
            return _text(str(value))


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
