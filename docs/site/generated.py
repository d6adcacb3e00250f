"""Pages of the reference, in Markdown, that are made of the code: commands, settings, reasons, permissions. Pure."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

import click
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bootstrap.__main__ import cli
from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies import builder_policy, lifecycle_policies, manager_policy, worker_policy
from bootstrap.cluster.policies.operator import operator_policies
from bootstrap.config.policy import IdlePolicy
from bootstrap.config.settings import ClusterSettings, fields_of
from bootstrap.config.values import duration_text
from bootstrap.errors import BootstrapError
from docs.site import failures, monitoring
from docs.site.tables import MADE, escaped, table
from hub.errors import StartError
from hub.spawn.launcher import ENDED, MESSAGES
from lifecycle_app.model.messages import FOR_ADMINISTRATORS, TEMPLATES
from lifecycle_app.model.policy import Policy

SCOPE = Scope(cluster="mine", account="123456789012", region="us-east-1")


def pages() -> Mapping[str, str]:
    """Every generated page by its path in the site."""
    return {
        "reference-commands.md": commands(),
        "reference-settings.md": settings(),
        "reference-reasons.md": reasons(),
        "reference-messages.md": failures.page(),
        "reference-monitoring.md": monitoring.page(),
        "reference-permissions.md": permissions(),
    }


def commands() -> str:
    """Every command with its help, as a terminal of 100 columns shows it."""
    parts = ["# Commands\n", MADE]
    for path, command in _commands(cli, "cloudjhub"):
        context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
        context.help_option_names = ["-h", "--help"]
        parts.append(f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _commands(found, f"{path} {name}")


def settings() -> str:
    """Every setting of cluster.yaml with type, default, example and what it is."""
    parts = ["# Settings of cluster.yaml\n", MADE]
    sections = {name: _section(name, field) for name, field in fields_of(ClusterSettings).items()}
    own = {name: field for name, field in fields_of(ClusterSettings).items() if not sections[name]}
    for section, fields in {"": own, **sections}.items():
        if fields:
            parts.append(f"## {f'`{section}:`' if section else 'The cluster'}\n")
            head = ("setting", "what it is", "type", "default, or an example")
            parts.append(table(head, _rows(section, fields)))
    return "\n".join(parts)


def _section(name: str, field: FieldInfo) -> Mapping[str, FieldInfo]:
    return fields_of(IdlePolicy if name == "policy" else field.annotation)


def _rows(section: str, fields: Mapping[str, FieldInfo]) -> Iterator[tuple[str, ...]]:
    for name, field in fields.items():
        default = _policy_default(name) if section == "policy" else _default(field)
        yield (
            f"`{section}.{name}`" if section else f"`{name}`",
            field.description or "",
            "" if section == "policy" else _type(field.annotation),
            default or (f"none; for example `{field.examples[0]}`" if field.examples else "none"),
        )


def _policy_default(name: str) -> str:
    value = getattr(Policy(), name)
    if isinstance(value, frozenset):
        return "`[" + ", ".join(sorted(level.name.lower() for level in value)) + "]`"
    return "`never`" if value is None else _shown(value)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    return "" if value in ("", (), None) or value == {} else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"`{duration_text(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value.value if isinstance(value, StrEnum) else value}`"


KINDS = {
    "bool": "true or false", "int": "whole number", "float": "number", "str": "text", "tuple": "list",
    "timedelta": "duration", "Path": "file", "IPv4Network": "address range", "Mapping": "mapping", "Any": "",
}  # fmt: skip


def _type(annotation: Any) -> str:
    """A setting's type in words; what a StrEnum allows is named."""
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "one of " + ", ".join(f"`{one.value}`" for one in annotation)
    arguments = [one for one in getattr(annotation, "__args__", ()) if one is not type(None)]
    name = getattr(annotation, "__name__", str(annotation))
    if name not in KINDS and arguments:
        return _type(arguments[0])
    return KINDS.get(name, name)


def reasons() -> str:
    """Every reason and message, what a failed start says, and the exit codes."""
    codes = [
        (
            f"`{code}`",
            "administrators" if code in FOR_ADMINISTRATORS else "users",
            "<br>".join(map(escaped, texts)),
        )
        for code, texts in TEMPLATES.items()
        if code != "text"
    ]
    starts = [
        (f"`{code}`", f"`{kind.label}`", _retry(kind), message)
        for code, (kind, message) in {**MESSAGES, **ENDED}.items()
    ]
    errors: dict[int, list[str]] = {}
    for error in errors_of_commands():
        line = f"`{error.__name__}`: {(error.__doc__ or '').splitlines()[0]}"
        errors.setdefault(error.exit_code, []).append(line)
    exits = [(f"{code}", "<br>".join(found)) for code, found in sorted(errors.items())]
    return "\n".join(
        [
            "# Reasons, messages and errors\n",
            MADE,
            "## Why a machine was kept or stopped\n",
            "The codes in records and in the history. Of several texts the first is shown whose values are known.\n",
            table(("code", "shown to", "text"), codes),
            "## Why a start failed\n",
            "By EC2's code; the text is on the page of the start.\n",
            table(("code of EC2", "label", "tries again after", "text"), starts),
            "## Exit codes of `cloudjhub`\n",
            table(("code", "errors"), exits),
        ]
    )


def errors_of_commands() -> list[type[BootstrapError]]:
    """What a command can end with."""
    return [BootstrapError, *BootstrapError.__subclasses__()]


def _retry(kind: type[StartError]) -> str:
    return f"{kind.retry_in.seconds} s" if kind.retry_in else ""


def permissions() -> str:
    """The IAM actions that each function, each machine and the operator may use."""
    parts = ["# Permissions\n", MADE, "Conditions and resources are in `bootstrap/cluster/policies/`.\n"]
    machines = {
        "manager": manager_policy(SCOPE),
        "worker": worker_policy(SCOPE),
        "builder": builder_policy(SCOPE),
    }
    for title, policies in (
        ("The functions", lifecycle_policies(SCOPE)),
        ("The machines", machines),
        ("The operator", operator_policies(SCOPE)),
    ):
        parts.append(f"## {title}\n")
        parts.append(table(("policy", "allowed", "denied"), _actions(policies)))
    return "\n".join(parts)


def _actions(policies: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, policy in policies.items():
        found: dict[str, set[str]] = {"Allow": set(), "Deny": set()}
        for statement in policy["Statement"]:
            actions = statement.get("Action", [])
            found[statement["Effect"]] |= {actions} if isinstance(actions, str) else set(actions)
        yield (
            f"`{name}`",
            *(", ".join(f"`{one}`" for one in sorted(found[effect])) for effect in ("Allow", "Deny")),
        )
