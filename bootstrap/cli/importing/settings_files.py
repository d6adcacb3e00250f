"""The users that a hub's settings name: `config.yaml` of TLJH and of z2jh's chart, and `jupyterhub_config.py`.

TLJH: https://tljh.jupyter.org/en/latest/topic/tljh-config.html
z2jh: https://z2jh.jupyter.org/en/stable/administrator/authentication.html

Files are read, never run. Of Python only what is written out is taken; what is computed is named with its line.
"""

import ast
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import yaml

from bootstrap.cli.importing.finds import Finds
from bootstrap.errors import SettingsError


class Role(StrEnum):
    """What the names in a setting are."""

    USER = "users"
    ADMIN = "administrators"
    BLOCKED = "blocked users"


ANY = "*"
NAMES = {
    "allowed_users": Role.USER,
    "whitelist": Role.USER,
    "admin_users": Role.ADMIN,
    "blocked_users": Role.BLOCKED,
    "blacklist": Role.BLOCKED,
}
"""JupyterHub's own settings of its authenticators, with their names before 1.2."""
GROUPS = "load_groups"
PLACES: dict[tuple[str, ...], Role] = {
    ("users", "allowed"): Role.USER,
    ("users", "admin"): Role.ADMIN,
    ("users", "banned"): Role.BLOCKED,
    ("auth", "whitelist", "users"): Role.USER,
    ("auth", "allowlist", "users"): Role.USER,
    ("auth", "admin", "users"): Role.ADMIN,
    **{("auth", ANY, name): role for name, role in NAMES.items()},
    **{("hub", "config", ANY, name): role for name, role in NAMES.items()},
}
"""Where they are in TLJH's and z2jh's files; `auth` of z2jh until 0.10 and, for classes, of TLJH."""
UNIX_GROUPS = ("users", "extra_user_groups")
EXTRA_CONFIG = (("hub", "extraConfig"), ("hub", "extraConfig", ANY))


def read_yaml(content: str, file: Path, finds: Finds) -> None:
    """The users in TLJH's or z2jh's settings. Raises SettingsError for a file that is not YAML."""
    try:
        top = yaml.compose(content, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())[:200]
        raise SettingsError(f"{file} is not YAML: {problem}") from error
    for path, role in PLACES.items():
        for node in _at(top, path):
            _take(_scalars(node), role, file, finds)
    for node in _at(top, ("hub", "config", "JupyterHub", GROUPS)):
        for group, members in _entries(node):
            listed = next(_at(members, ("users",)), members)
            for name, line in _scalars(listed):
                finds.member(group, name, f"{file}, line {line}")
    for node in _at(top, UNIX_GROUPS):
        finds.notes.append(f"{file}, line {_line(node)}: groups of the machine itself have no counterpart")
    for path in EXTRA_CONFIG:
        for node in _at(top, path):
            if isinstance(node, yaml.ScalarNode):
                is_block = node.style in ("|", ">")
                read_python(node.value, file, finds, first_line=_line(node) + is_block)


def _at(node: yaml.Node | None, path: tuple[str, ...]) -> Iterator[yaml.Node]:
    """The nodes at this path, of which `*` is any key."""
    if node is None:
        return
    if not path:
        yield node
        return
    for key, value in _entries(node):
        if path[0] in (ANY, key):
            yield from _at(value, path[1:])


def _entries(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, value


def _scalars(node: yaml.Node) -> Iterator[tuple[object, int]]:
    """The names in a list, with their lines, or the one that stands alone."""
    if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
        return
    for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        yield (item.value if isinstance(item, yaml.ScalarNode) else {}), _line(item)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _take(names: Iterator[tuple[object, int]], role: Role, file: Path, finds: Finds) -> None:
    for name, line in names:
        place = f"{file}, line {line}"
        if role is Role.BLOCKED:
            finds.block(name, place)
        else:
            finds.user(name, place, admin=role is Role.ADMIN)


def read_python(content: str, file: Path, finds: Finds, first_line: int = 1) -> None:
    """The users in lines of jupyterhub_config.py. Raises SettingsError for a file that is not Python."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SettingsError(f"{file}, line {first_line}: not Python: {error}") from error
    for node in ast.walk(tree):
        for attribute, value in _set_by(node):
            place = f"{file}, line {value.lineno + first_line - 1}"
            try:
                if attribute == GROUPS:
                    _groups(value, file, finds, first_line)
                else:
                    _take(_strings(value, first_line), NAMES[attribute], file, finds)
            except ValueError:
                finds.notes.append(
                    f"{place}: {attribute} is computed there, and was not read: import that hub's jupyterhub.sqlite too"
                )


def _set_by(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """What a statement sets or adds: `c.X.allowed_users = …`, `|= …`, `.update(…)`, `.add(…)`."""
    match node:
        case ast.Assign(targets=[ast.Attribute(attr=name)], value=value) if name in {*NAMES, GROUPS}:
            yield name, value
        case ast.AugAssign(target=ast.Attribute(attr=name), value=value) if name in {*NAMES, GROUPS}:
            yield name, value
        case ast.Call(
            func=ast.Attribute(value=ast.Attribute(attr=name), attr="update" | "add" | "append" | "extend"),
            args=[value],
        ) if name in {*NAMES, GROUPS}:
            yield name, value


def _strings(value: ast.expr, first_line: int) -> Iterator[tuple[object, int]]:
    """The texts in a set, list or tuple, or a single one. Raises ValueError for what is computed."""
    match value:
        case ast.Set(elts=items) | ast.List(elts=items) | ast.Tuple(elts=items):
            pass
        case ast.Call(func=ast.Name(id="set" | "list" | "frozenset"), args=[one]):
            yield from _strings(one, first_line)
            return
        case ast.Call(func=ast.Name(id="set" | "list" | "frozenset"), args=[]):
            return
        case ast.Constant():
            items = [value]
        case _:
            raise ValueError("computed")
    for item in items:
        if not isinstance(item, ast.Constant):
            raise ValueError("computed")  # noqa: TRY004 -- a wrong text, not a wrong program
        yield item.value, item.lineno + first_line - 1


def _groups(value: ast.expr, file: Path, finds: Finds, first_line: int) -> None:
    """`{"physics": ["ada"]}`, or since JupyterHub 3.2 `{"physics": {"users": ["ada"]}}`."""
    if not isinstance(value, ast.Dict):
        raise ValueError("computed")  # noqa: TRY004 -- a wrong text, not a wrong program
    for key, members in zip(value.keys, value.values, strict=True):
        if not isinstance(key, ast.Constant):
            raise ValueError("computed")  # noqa: TRY004 -- a wrong text, not a wrong program
        for name, line in _strings(_users_of(members), first_line):
            finds.member(key.value, name, f"{file}, line {line}")


def _users_of(members: ast.expr) -> ast.expr:
    if not isinstance(members, ast.Dict):
        return members
    for key, value in zip(members.keys, members.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == "users":
            return value
    return ast.List(elts=[])
