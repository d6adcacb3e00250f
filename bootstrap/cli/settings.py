"""`cloudjhub settings`: the idle policy, in effect within a minute and without deploying anything.

`cloudjhub secrets`: secrets that only the operator knows. They are never printed, and never on a command line.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bootstrap.aws import secrets as kept
from bootstrap.aws.site import Site
from bootstrap.cli.audit import audit
from bootstrap.cli.options import NameValue, dry_run_option, file_option, json_option, site_of, yes_option
from bootstrap.cli.progress import alone, reporting
from bootstrap.cli.terminal import echo
from bootstrap.cluster import building
from bootstrap.cluster.steps.manager import REPLACED
from bootstrap.cluster.users import accepted
from bootstrap.config.document import suggestion
from bootstrap.costs import prices_in
from bootstrap.errors import NotBuilt, SettingsError
from bootstrap.operations import budgets, policies, rotation
from bootstrap.operations.audit import Act
from bootstrap.operations.workers.listing import store_of
from bootstrap.operations.workers.stopping import keep, moment, operator_of
from lifecycle_app.contract import CLUSTER_SCOPE, utc_now
from lifecycle_app.model import policy_words
from lifecycle_app.model.messages import length
from lifecycle_app.model.policy_words import DOLLARS, UNLIMITED
from lifecycle_app.model.worker import Worker

KEEP_UNTIL = "keep_until"
NO_GROUPS: Mapping[str, Mapping[str, Any]] = {}
SOON = "in effect within a minute; the next sweep acts on it, and alarms are updated at the next reconcile"


@click.group()
def settings() -> None:
    """The idle policy of the cluster, of groups and of users."""


@settings.command("get")
@click.argument("scope", required=False)
@file_option
@json_option
def get_policy(scope: str | None, file: Path, as_json: bool) -> None:
    """Show the policy and where each value comes from. SCOPE: cluster, group/NAME or user/NAME; all without one."""
    site = site_of(file)
    found = policies.texts(site)
    if scope is None:
        _show_all(found, as_json)
        return
    policies.scope_of(scope)
    kind, _, name = scope.partition("/")
    user = accepted(name) if kind == "user" else ""
    groups = _groups(site, user) if user else (name,) if kind == "group" else ()
    _show(policy_words.effective(user, groups, found), as_json, policy_words.of_groups(groups, found))


@settings.command("set")
@click.argument("assignments", type=NameValue("idle_timeout=90m"), metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--user", help="For this user only.")
@click.option("--group", help="For this group; of several groups the most generous value applies.")
@click.option(
    "--unset", multiple=True, metavar="NAME", help="Remove a value that is set here; may be repeated."
)
@file_option
@dry_run_option
@json_option
def set_policy(
    assignments: tuple[tuple[str, str], ...],
    user: str | None,
    group: str | None,
    unset: tuple[str, ...],
    file: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Change the policy, for example with idle_timeout=90m. Others: busy_allowance=never, signals=work,interaction.

    With --user, keep_until=2h or keep_until=2026-12-01T18:00 keeps the user's workers running until then.
    """
    user = accepted(user) if user else None
    scope = _scope(user, group)
    keeping = [text for name, text in assignments if name == KEEP_UNTIL]
    fields = [one for one in assignments if one[0] != KEEP_UNTIL]
    if not assignments and not unset:
        raise SettingsError("nothing to set: give values like idle_timeout=90m, or --unset NAME")
    if keeping and not user:
        raise SettingsError(f"{KEEP_UNTIL} applies to one user: add --user")
    site = site_of(file)
    if fields or unset:
        _change(site, scope, fields, unset, dry_run=dry_run, as_json=as_json)
    for text in keeping:
        _keep(site, user or "", text, dry_run=dry_run, as_json=as_json)


def _scope(user: str | None, group: str | None) -> str:
    if user and group:
        raise SettingsError("--user and --group cannot be combined: give one of them")
    if user:
        return policies.USER + user
    return policies.GROUP + group if group else CLUSTER_SCOPE


def _change(
    site: Site, scope: str, fields: Sequence[tuple[str, str]], unset: Sequence[str], *, dry_run: bool, as_json: bool
) -> None:  # fmt: skip
    policies.require_sharers(scope, (name for name, _ in fields))
    before = policies.texts(site)
    if prices_in(site.aws.region) is None and any(
        name in DOLLARS and text != UNLIMITED for name, text in fields
    ):
        raise SettingsError(f"no prices are known for {site.aws.region}: give hours instead")
    document = policies.changed(scope, before.get(scope), fields, unset)
    after = {**before, scope: json.dumps(document)}
    _warn(site, before, after)
    if not dry_run:
        policies.write(site, scope, before.get(scope), document, utc_now())
        audit(site, Act("settings.change", scope, _in_words(after[scope])))
    if as_json:
        echo(json.dumps({scope: document}))
    elif dry_run:
        echo(f"would set {scope}: {_in_words(after[scope])}")
    else:
        echo(f"{scope}: {_in_words(after[scope])}")
        echo(SOON)


def _warn(site: Site, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    now, workers = utc_now(), store_of(site).all_workers()
    for problem in budgets.warnings(*(budgets.standings(workers, texts, now) for texts in (before, after))):
        echo(f"warning: {problem}", err=True)
    stopping = policies.stopping_now(workers, before, after, now)
    for key, idle in stopping:
        echo(
            f"warning: {key} has been idle for {length(idle)} and will be stopped at the next sweep", err=True
        )


def _keep(site: Site, user: str, text: str, *, dry_run: bool, as_json: bool) -> None:
    now = utc_now()
    until = moment(text, now)
    theirs = _workers_of(site, user)
    if not theirs:
        raise NotBuilt(f"{user} has no worker: it is created at their first login")
    for worker in theirs:
        if not dry_run:
            keep(store_of(site), worker.key, until, operator_of(site), utc_now)
            audit(site, Act("worker.keep", worker.key, until.isoformat() if until else "no longer"))
        outcome = (
            f"is kept running until {until.astimezone():%Y-%m-%d %H:%M %Z}"
            if until
            else "is no longer kept running"
        )
        if as_json:
            document = {"worker": worker.key, "keep_until": until.isoformat() if until else None}
            echo(json.dumps(document))
        else:
            echo(f"{'dry run: ' if dry_run else ''}{worker.key} {outcome}")


def _workers_of(site: Site, user: str) -> list[Worker]:
    return [worker for worker in store_of(site).all_workers() if worker.user == user]


def _groups(site: Site, user: str) -> tuple[str, ...]:
    """As the hub last reported them to the lifecycle app, while the user's worker ran."""
    return tuple(sorted({group for worker in _workers_of(site, user) for group in worker.groups}))


def _show_all(found: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        echo(json.dumps({scope: _document(found[scope]) for scope in sorted(found)}, indent=2))
        return
    _show(policy_words.effective("", (), found), as_json=False)
    for scope in sorted(set(found) - {CLUSTER_SCOPE}):
        echo(f"\n{scope}: {_in_words(found[scope])}")


def _document(text: str) -> object:
    """As it is in the table; a damaged one as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _show(
    rows: Sequence[policy_words.Effective],
    as_json: bool,
    of_groups: Mapping[str, Mapping[str, Any]] = NO_GROUPS,
) -> None:
    if as_json:
        document: dict[str, Any] = {
            row.name: {"value": policy_words.plain(row.name, row.value), "from": row.scope} for row in rows
        }
        shared = {
            scope: {name: policy_words.plain(name, value) for name, value in said.items()}
            for scope, said in of_groups.items()
        }
        echo(json.dumps(document | ({"group_budgets": shared} if shared else {}), indent=2))
        return
    more = [
        policy_words.Effective(name, value, scope)
        for scope, said in of_groups.items()
        for name, value in said.items()
    ]
    for row in [*rows, *more]:
        echo(f"{row.name:<21} {policy_words.readable(row.name, row.value):<24} {row.scope}")


def _in_words(text: str) -> str:
    said = policy_words.readable_policy(text)
    return ", ".join(f"{name}={value}" for name, value in said.items()) or "nothing set"


SETTABLE = {
    "client-secret": "of the OAuth application at GitHub, Google or another provider",
    "ldap-password": "of the user that searches the directory",
}
LONGEST = 4096


@click.group()
def secrets() -> None:
    """Set, replace and list the cluster's secrets."""


@secrets.command("set")
@click.argument("name", metavar="NAME")
@file_option
@dry_run_option
@json_option
def set_secret(name: str, file: Path, dry_run: bool, as_json: bool) -> None:
    """Set client-secret or ldap-password.

    It is asked for without echo, or read from standard input. The hub reads it at its start: `up` replaces the manager.
    """
    if name not in SETTABLE:
        raise SettingsError(f"there is no secret {name!r}: {suggestion(name, list(SETTABLE))}")
    site = site_of(file)
    value = _value(name)
    if not dry_run:
        kept.put(
            site.aws.client("ssm"),
            site.cluster,
            f"hub/{name}",
            value,
            site.settings.tags,
            site.settings.kms_key,
        )
        audit(site, Act("secret.set", name))
    if as_json:
        echo(json.dumps({"secret": name, "set": not dry_run}))
    else:
        echo(f"{'dry run: ' if dry_run else ''}{name} of {site.cluster} is set")
    if not dry_run:
        echo("it takes effect when the manager is replaced: run `cloudjhub up`", err=True)


@secrets.command("rotate")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All generated secrets.")
@file_option
@dry_run_option
@yes_option
@json_option
def rotate_secrets(
    names: tuple[str, ...], every: bool, file: Path, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Replace generated secrets, and the manager with them.

    Run it again after any interruption, or `up`. The old values are worth nothing as soon as the new manager runs.
    """
    site = site_of(file)
    wanted = rotation.chosen(site, names, every=every)
    if not as_json:
        for name in wanted:
            echo(f"{name}: {rotation.NOTICED[name]}")
        echo(f"the manager is replaced: {REPLACED}")
    if not dry_run:
        if not yes:
            click.confirm("Continue?", abort=True, err=True)
        with alone(site), reporting() as reporter:
            rotation.rotate(site, wanted, utc_now(), reporter.report_for("secrets"))
            reporter.done("secrets")
            audit(site, *(Act("secret.rotate", name) for name in wanted))
            building.build(site, reporter)
    if as_json:
        echo(json.dumps({"rotated": [] if dry_run else wanted, "names": wanted}))


@secrets.command("list")
@file_option
@json_option
def list_secrets(file: Path, as_json: bool) -> None:
    """List the names of the secrets and when each was last set."""
    site = site_of(file)
    dates = kept.dates(site.aws.client("ssm"), site.cluster)
    if as_json:
        echo(json.dumps({name: at.isoformat() for name, at in dates.items()}, indent=2))
        return
    for name, at in dates.items():
        echo(f"{at.astimezone():%Y-%m-%d %H:%M}  {name}")
    if not dates:
        echo(f"{site.cluster} has no secrets yet")


def _value(name: str) -> str:
    if sys.stdin.isatty():
        value = str(
            click.prompt(f"{name} ({SETTABLE[name]})", hide_input=True, default="", show_default=False)
        )
    else:
        value = sys.stdin.buffer.read(LONGEST + 2).decode(errors="replace")
    value = value.removesuffix("\n").removesuffix("\r")
    if not value or len(value) > LONGEST or not value.isprintable() or "\ufffd" in value:
        raise SettingsError(
            f"{name}: the value must be one line of up to {LONGEST} characters: enter it again"
        )
    return value
