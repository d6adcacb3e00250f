"""What a running local cloud shows of itself to its operator, to scripts and to the live view: users, workers, logs."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import requests

from bootstrap.aws import secrets
from bootstrap.cli.live_view import age, decision_row, worker_row
from bootstrap.local import cluster, environment
from bootstrap.local.settings import LocalSettings
from bootstrap.local.supervisor import running_file, running_supervisor
from bootstrap.operations.workers.watching import newest_entries
from hub.config.origins import program_url
from lifecycle_app.adapters.store import WorkerStore

EPOCH = datetime.fromtimestamp(0, UTC)
DECISIONS_SHOWN = 12


EMPTY_TEXT = """
An AWS account without a cluster is ready. In another terminal:

    {variables}
    {program} plan --file {file}
    {program} up --file {file}
    {program} down --file {file}

  or with settings of your own, from `{program} init`; on this machine they need the domain hub.localhost and https none
"""


def running_settings(state_dir: Path) -> LocalSettings | None:
    """The settings of the local cloud that runs in this directory, if one does."""
    if running_supervisor(state_dir) is None:
        return None
    given = json.loads(running_file(state_dir).read_text())
    return LocalSettings(
        state_dir=state_dir,
        port=given["port"],
        network=given["network"],
        cluster=given["cluster"],
        idle_timeout=timedelta(seconds=given["idle_timeout"]),
        with_cluster=given["with_cluster"],
    )


def is_ready(state_dir: Path) -> bool:
    """Whether everything is up, not merely on its way."""
    return running_settings(state_dir) is not None and bool(
        json.loads(running_file(state_dir).read_text())["ready"]
    )


def ready(settings: LocalSettings) -> dict[str, Any]:
    """The hub's URL, the users with their passwords, and the variables that point AWS's tools at this cloud."""
    if not settings.with_cluster:
        return _variables(settings) | {"file": str(cluster.write(settings))}
    ssm = boto3.client("ssm")
    passwords = {
        is_admin: secrets.read(ssm, settings.cluster, f"hub/{'admin' if is_admin else 'user'}-password")
        for is_admin in (False, True)
    }
    users = [line.split() for line in (settings.state_dir / "users").read_text().splitlines() if line.strip()]
    return _variables(settings) | {
        "url": settings.public_url,
        "users": [
            {"name": name, "admin": bool(rest), "password": passwords[bool(rest)]} for name, *rest in users
        ],
    }


def _variables(settings: LocalSettings) -> dict[str, Any]:
    return {"environment": environment.operator(settings), "state_dir": str(settings.state_dir)}


def exports(variables: Mapping[str, str]) -> str:
    """Lines for a shell that sets these variables."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def ready_text(settings: LocalSettings, *, as_json: bool) -> str:
    """What `up` prints when everything runs."""
    given = ready(settings)
    if as_json:
        return json.dumps(given)
    idle = age(settings.idle_timeout.total_seconds())
    program = os.path.relpath(Path(sys.prefix) / "bin" / "cloudjhub")
    where = f"--state-dir {os.path.relpath(settings.state_dir)}"
    variables = f'eval "$({program} local env {where})"'
    if not settings.with_cluster:
        return EMPTY_TEXT.format(program=program, file=os.path.relpath(given["file"]), variables=variables)
    users = "\n".join(
        f"    {user['name']:<8} {user['password']}{'   (admin)' if user['admin'] else ''}"
        for user in given["users"]
    )
    return f"""
The local cloud is ready:  {given["url"]}

  users and passwords
{users}
    (any other name may log in with the first password)

  what to try
    {program} local tour {where}
        five minutes in which all of the following happens and is explained
    log in as alice and watch an instance being made; run a cell; close the tab
    after {idle} without work the machine stops, and its page says why; log in again: the files are there
    {program} local fault capacity on {where}
        see what happens when EC2 has no capacity
    {program} local status {where}
        which workers run, since when, how long idle, what was decided and why

  AWS's own tools see this cloud after
    {variables}

  end it with Ctrl-C, or from another terminal with
    {program} local down {where}
  the users' files are kept in {given["state_dir"]}
"""


def snapshot(settings: LocalSettings) -> dict[str, Any]:
    """Everything that the live view shows, ready for JSON: times in ISO 8601, UTC."""
    cloud = environment.state(settings)
    store = WorkerStore(settings.cluster) if settings.with_cluster else None
    newest = newest_entries(store, datetime.now(UTC), DECISIONS_SHOWN) if store else []
    return {
        "url": settings.public_url,
        "hub": "up" if _hub_answers(settings) else "down",
        "faults": sorted(cloud["faults"]),
        "idle_timeout": settings.idle_timeout.total_seconds(),
        "workers": [worker_row(worker) for worker in store.changed_since(EPOCH)] if store else [],
        "instances": cloud["instances"],
        "decisions": [decision_row(entry) for entry in newest],
    }


def _hub_answers(settings: LocalSettings) -> bool:
    try:
        return requests.get(f"{program_url(settings.public_url)}/hub/api/", timeout=2).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

FUNCTIONS = "lambda"
GROUPS = "/aws/lambda/"
KEPT = timedelta(hours=1)
# Lambda's own lines around a function's.
FRAME = ("START RequestId:", "END RequestId:", "REPORT RequestId:")


def files(state_dir: Path) -> dict[str, Path]:
    """The log files by the name of the part, or the id of the instance."""
    return {
        log.stem: log for folder in ("log", "console") for log in sorted((state_dir / folder).glob("*.log"))
    }


def function_log_lines(client: "CloudWatchLogsClient", now: datetime, lines: int) -> list[str]:
    """The newest lines that the functions logged within the last hour, oldest first."""
    since = int((now - KEPT).timestamp() * 1000)
    events: list[tuple[int, str, str]] = []
    for group in client.describe_log_groups(logGroupNamePrefix=GROUPS)["logGroups"]:
        name = group["logGroupName"]
        for page in client.get_paginator("filter_log_events").paginate(logGroupName=name, startTime=since):
            events += [_line(name, event) for event in page["events"]]
    found = sorted((one for one in events if not one[2].startswith(FRAME)), key=lambda one: one[0])
    return [f"{_clock(at)} {name}: {message}" for at, name, message in found[-lines:]]


def _line(group: str, event: Any) -> tuple[int, str, str]:
    return event["timestamp"], group.removeprefix(GROUPS), event["message"].rstrip()


def _clock(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%H:%M:%S}"
