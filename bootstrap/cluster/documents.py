"""YAML documents with a cluster's own values filled in: CloudFormation templates, policies."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

import yaml


def filled_in(path: Path, **values: object) -> dict[str, Any]:
    """The document in a file, with `$name` in its texts replaced; `$$` is a `$`. Raises KeyError for another name."""
    return dict(_filled_in(_read(path), values))


@cache
def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _filled_in(part: Any, values: Mapping[str, object]) -> Any:
    """A copy. A text that is nothing but `$name` becomes that very value: a number, or a list."""
    match part:
        case str() if part[:1] == "$" and part[1:].isidentifier():
            return values[part[1:]]
        case str():
            return Template(part).substitute(values)
        case dict():
            return {key: _filled_in(one, values) for key, one in part.items()}
        case list():
            return [_filled_in(one, values) for one in part]
        case _:
            return part
