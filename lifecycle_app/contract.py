"""What the parts of a cluster must agree on: lifecycle app, hub, workers and command line.

Standard library only: it is also in the worker image. What is here is stored, sent or looked up by another part,
perhaps of another version: add to it, and do not change it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, NotRequired, TypedDict

CLUSTER_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
"""A cluster's name. With 32 characters EventBridge's rules have the longest names they may have, 64; and in ARNs `*`,
`?`, `/` or `${}` would widen what a policy reaches."""
TABLES = ("workers", "history", "settings")
TAG_CLUSTER = "cloudjhub:cluster"
TAG_ROLE = "cloudjhub:role"
TAG_USER = "cloudjhub:user"
TAG_SERVER = "cloudjhub:server"
TAG_BACKUP = "cloudjhub:backup"
"""On home disks alone, with the cluster's name as its value: the daily backups are made of the disks that have it. A
worker's root disk has all the other tags too, for a launch gives all its disks the same ones."""
TAG_REPLACES = "cloudjhub:replaces"
"""On a home restored from a backup: the disks that it replaces, the latest first, between blanks."""
TAG_REPLACED = "cloudjhub:replaced-by"
"""On a home that a restored one has replaced: that one."""
TAG_NAME = "Name"
TAG_OWNER = "Owner"
TAG_CREATOR = "Creator"
CREATOR = "cloudjhub"
"""That tag's value on all machines and disks."""
ROLE_WORKER = "worker"
CLUSTER_SCOPE = "cluster"
"""The scope of the settings table with the cluster's policy; groups and users have scopes of their own."""
IMAGE_SCOPE = "image"
IMAGE_ID = r"ami-[0-9a-f]{8,17}"
"""An AMI's id, as a pattern."""
USERS_SCOPE = "users"
ANNOUNCEMENT_SCOPE = "announcement"
RESTORE_SCOPE = "restore"
"""The operator's request to restore a backup of JupyterHub's database."""
WORKER_CONFIG = "/etc/cloudjhub/worker.json"
"""The launch file on a worker, written by the hub's user data and read by the boot client."""
HOME_FIELD = "home"
"""The launch file's field with a `HomeDisk`."""
HOME_VOLUME_FIELD = "home_volume"
"""The launch file's field with the id of the home's volume, where a copy of a backup of it is attached too."""
BACKUP_DEVICE = "/dev/sdy"
"""Where a launch attaches a copy of a backup of the home, read-only for its user. It goes with the instance, and is the
home of no worker, though it holds the same file system."""
NEVER = "never"
"""For how long a stopped worker keeps its instance, where it is never removed."""
REPORT_PERIOD = timedelta(seconds=30)
"""How often workers report, unless a cluster's settings say otherwise. An alarm on shorter periods never fires."""
HUB_SOURCE = "cloudjhub.hub"
STOPPED_FOR_HOME = "the hub, because its home disk cannot be mounted"
"""Who requested the stop of a worker that starts no server for that reason."""
STOP_REQUESTED = "Stop Requested"
"""The event's detail-type; its detail is a `StopRequested`."""
KEEP_REQUESTED = "Keep Requested"
"""The event's detail-type; its detail is a `KeepRequested`."""
SETTINGS_REQUESTED = "Settings Requested"
"""The event's detail-type; its detail is a `SettingsRequested`."""
LONGEST_SETTINGS = 8000
"""Characters of the values that one such request sets, as JSON: all fields have less."""
LONGEST_KEEP = timedelta(days=366)
"""No request to keep a worker running asks for more, whatever its policy allows."""
EC2_SOURCE = "aws.ec2"
EC2_STATE_CHANGE = "EC2 Instance State-change Notification"
CLOUDWATCH_SOURCE = "aws.cloudwatch"
ALARM_STATE_CHANGE = "CloudWatch Alarm State Change"
DRAIN_SCOPE = "custom:cloudjhub:drain"
"""JupyterHub's scope for the drain request, which the lifecycle app's token has."""
LAUNCH_SCOPE = "custom:cloudjhub:launch"
"""JupyterHub's scope for launches before a first login, which the operator's token has."""
OPERATOR_TOKEN = "hub/operator-token"  # noqa: S105 -- the name of a parameter
"""Where that token is, below `/cloudjhub/<cluster>/`."""
LAUNCH_PATH = "/hub/api/cloudjhub/launch"
METRIC_LEVEL = "Activity"
METRIC_APP = "App"
"""Reported while a web app behind the server has traffic that may be a person's or a page's own: the app's number,
from which `app_name` makes the name. A number, because a metric has no room for a text."""
METRIC_SOURCE = "Source"
"""Reported for a period in which something else than a person kept the machine busy: what, as `source_number` says."""
METRIC_HOME_SIZE, METRIC_HOME_FREE = "HomeSize", "HomeFree"
"""Of the home's file system, in GiB, reported while the home `is_filling`: then the home disk is grown."""
METRIC_UNITS = {
    METRIC_LEVEL: "None",
    "Interaction": "Count",
    "BusyKernels": "Count",
    "BusyTerminals": "Count",
    "CPU": "Percent",
    METRIC_APP: "None",
    METRIC_SOURCE: "None",
    METRIC_HOME_SIZE: "Gigabytes",
    METRIC_HOME_FREE: "Gigabytes",
}
"""CloudWatch's unit of each metric that a worker reports. Whoever reads a metric names the unit: without it CloudWatch
mixes all units, and a worker could hide another's activity behind datapoints of a unit of its own."""
METRIC_DETAILS = ("Interaction", "BusyKernels", "BusyTerminals", "CPU")
"""Reported for the explanation of a decision; only the level and METRIC_APP decide."""


FULL_ENOUGH, LEAST_FREE = 0.85, 1.0
"""A share of the home, and GiB: see `is_filling`."""
APPS = (
    "another web app",
    "a notebook's widgets",
    "a server extension",
    "app /rstudio",
    "app /vscode",
    "app /code-server",
    "app /openvscode",
    "app /desktop",
    "app /shiny",
    "app /streamlit",
    "app /dask",
    "app /marimo",
    "app /tensorboard",
    "app /theia",
    "app /matlab",
    "app /pluto",
    "app /livebook",
    "app /openrefine",
)
"""The names of web apps by their number, from 1. Add to the end: workers of another version send the number."""
SOURCES = (
    "a running cell",
    "{program} in a terminal",
    "{program} started by a kernel",
    "{program} in the background",
    "a notebook that runs without a browser",
    "CPU {n:.0f} % of a core{within}",
    "CPU {n:.0f} % of a core beside JupyterLab{within}",
    "GPU {n:.0f} %",
    "download {n:g} MB/s{within}",
    "upload {n:g} MB/s{within}",
    "disk {n:g} MB/s{within}",
)
"""What keeps a machine busy, by its number from 1. Add to the end: workers of another version send the number."""
PROGRAMS = (
    "rsync", "wget", "curl", "scp", "sftp", "ssh", "aria2c", "rclone", "aws", "s5cmd", "git", "git-lfs", "pip",
    "uv", "conda", "mamba", "apt-get", "dpkg", "docker", "dockerd", "containerd", "podman", "python", "R",
    "Rscript", "julia", "node", "java", "octave", "matlab", "gcc", "cc1", "cc1plus", "g++", "clang", "make",
    "cmake", "ninja", "cargo", "rustc", "go", "ffmpeg", "tar", "gzip", "xz", "zstd", "unzip", "zip", "cp", "mv",
    "dd", "sort", "bash", "sh", "sqlite3", "psql", "snakemake", "nextflow", "samtools", "bwa", "blastn",
    "stress-ng", "sleep",
)  # fmt: skip
"""Programs whose names the history can say, by their number from 1. Add to the end. Others are "a program"."""
LARGEST_AMOUNT, TENTHS = 99_999.0, 1_000_000
APP_PORTS = range(1024, 65536)
"""A number in here is the port of an app below /proxy/."""


class Level(IntEnum):
    """How active a worker was in a period. Each level outranks those below it, so that a maximum has a meaning."""

    QUIET = 0
    LOAD = 1
    WORK = 2
    INTERACTION = 3


class Signal(StrEnum):
    """A source of activity, which a policy can have ignored. What a person certainly does in JupyterLab itself (running
    cells, typing into terminals, saving, opening a page) is none of them: it always counts."""

    GESTURES = "gestures"
    """Keys, clicks and scrolling in a visible page, as our extension reports them."""
    APPS = "apps"
    """Use and traffic of web apps behind the server, and of widgets."""
    KERNELS = "kernels"
    """Cells that run."""
    TERMINALS = "terminals"
    """Programs that run in a terminal."""
    PROCESSES = "processes"
    """Programs that a kernel started, or that were detached from their terminal."""
    NOTEBOOKS = "notebooks"
    """Notebooks that run without a browser."""
    CPU = "cpu"
    """The CPU that the server and everything below it uses."""
    MACHINE = "machine"
    """The CPU of all other programs of the machine, above what they always use."""
    GPU = "gpu"
    """The use of GPUs."""
    NETWORK = "network"
    """Downloads and uploads that last, without the server's own connections."""
    DISK = "disk"
    """Reading and writing of disks that lasts."""
    SESSIONS = "sessions"
    """Keys in terminals beside the server's own: SSH, Session Manager."""


class Drain(StrEnum):
    """What may keep the hub from releasing a server."""

    IDLE = "idle"
    """Any activity since a given time."""
    UNATTENDED = "unattended"
    """A user's activity; work may go on."""
    WITHOUT_WORK = "without-work"
    """Work that runs at this moment, whatever its user does."""
    REGARDLESS = "regardless"
    """Nothing that the worker does, only a login that is under way."""


class HomeDisk(StrEnum):
    """Where a worker's home is, as its launch says: only the hub knows whether a disk may be without a file system."""

    NONE = "none"
    """On the root disk."""
    NEW = "new"
    """On a disk that this very launch makes: blank at the first boot."""
    EXISTING = "existing"
    """On a disk that the worker had before, attached after the launch. It is never formatted."""
    EXISTING_BESIDE_BACKUP = "existing-beside-backup"
    """The same, but there is another disk that must not be taken for it. An image that does not know this word starts
    no server."""


SET_ASIDE_FIELD = "set_aside"
"""The field with the name of a directory of the home, beside a worker's environment: its user has chosen to start with
a clean profile, and their settings are moved there."""
SET_ASIDE = re.compile(r"set-aside-\d{4}-\d{2}-\d{2}-\d{6}\Z", re.ASCII)
"""The names that such a directory may have; `set_aside_name` makes them."""
PROBLEM_FIELD = "problem"
"""The field with a `Problem` beside a worker's proof of who it is."""


class Problem(StrEnum):
    """Why a worker starts no server, as it says to the hub instead of requesting its environment."""

    HOME = "home"
    """Its home disk cannot be mounted."""


class StopRequested(TypedDict):
    """The detail of the event by which the hub or the operator asks the lifecycle app to stop a worker."""

    cluster: str
    worker: str
    instance_id: str
    requested_at: float
    """Epoch seconds."""
    requested_by: str
    unless_used: NotRequired[bool]
    """Is a user who has a server there, or is about to, to keep it?"""


class KeepRequested(TypedDict):
    """The detail of the event by which the hub asks the lifecycle app, for a user, to keep a worker running."""

    cluster: str
    worker: str
    instance_id: str
    request: str
    """The request's own id, by which the record answers it."""
    seconds: int
    """How long from `requested_at` on; 0: the user's own keep ends."""
    requested_at: float
    """Epoch seconds."""
    requested_by: str


class SettingsRequested(TypedDict):
    """The detail of the event by which the hub asks the lifecycle app, for an administrator, to change a policy."""

    cluster: str
    scope: str
    """The policy's: `cluster`, or that of a group or a user."""
    request: str
    """The request's own id, by which the settings answer it."""
    changes: dict[str, Any]
    """The values to set, by field, as the settings table has them."""
    unset: list[str]
    """The fields to take out."""
    base: str
    """The version of the policy that the administrator saw, as `policy_version` makes it."""
    requested_at: float
    """Epoch seconds."""
    requested_by: str


class SettingsRefusal(StrEnum):
    """Why a policy was not changed, as the settings say."""

    CHANGED = "changed"
    """Another administrator or operator has changed it since."""
    NOT_VALID = "not-valid"


class KeepRefusal(StrEnum):
    """Why a worker is not kept running. The first four are the lifecycle app's, or follow from its record."""

    NOT_ALLOWED = "not-allowed"
    TOO_LONG = "too-long"
    TOO_LATE = "too-late"
    OVER_BUDGET = "over-budget"
    TOO_OFTEN = "too-often"
    UNCONFIRMED = "unconfirmed"
    """No answer came in time: it may be kept, or not."""
    UNAVAILABLE = "unavailable"
    """The hub cannot be reached, or cannot ask."""


def keep_seconds(sent: object) -> int:
    """How long the body of a user's request asks for, at the machine's server and at the hub alike; 0: no longer.
    Raises ValueError that says what is wrong.
    """
    seconds = sent.get("seconds") if isinstance(sent, Mapping) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise ValueError("seconds is not a whole number")  # noqa: TRY004 -- a wrong request, not a wrong program
    if not 0 <= seconds <= LONGEST_KEEP.total_seconds():
        raise ValueError(f"seconds is not from 0 to {LONGEST_KEEP.total_seconds():.0f}")
    return seconds


PENDING_KEEP = "keep"
"""In the evidence of a refused drain, `pending`: a user's request to keep the machine has no answer yet."""


class DrainRequest(TypedDict):
    """The body of the lifecycle app's request to the hub to release a server."""

    worker: str
    instance_id: str
    since: float
    """Epoch seconds; activity after it counts."""
    claimed_at: float | None
    """Epoch seconds by the clock that `since` was made with, so that the hub can compare it with its own."""
    mode: str
    counts: int
    """The lowest level that counts as activity in mode idle."""
    apps: NotRequired[bool]
    """Does traffic of web apps count too, which may be a person's?"""


class DrainResponse(TypedDict):
    """The hub's answer to a `DrainRequest`."""

    worker: str
    instance_id: str
    drained: bool
    reason: str
    evidence: dict[str, Any]


def utc_now() -> datetime:
    """The present time: aware, in UTC."""
    return datetime.now(UTC)


def is_filling(size: float, free: float) -> bool:
    """Is a home of that size with so much left, in GiB, full enough to grow: at 85 %, or with less than 1 GiB?"""
    return free < LEAST_FREE or free <= (1 - FULL_ENOUGH) * size


def app_name(number: float) -> str:
    """The name of the web app with that number; of an unknown one that it is another one."""
    if int(number) in APP_PORTS:
        return f"app /proxy/{int(number)}"
    return APPS[int(number) - 1] if int(number) in range(1, len(APPS) + 1) else APPS[0]


def source_number(source: str, program: str = "", amount: float = 0.0) -> float:
    """What keeps a machine busy as one number, because a metric has no room for a text: one of `SOURCES`, the program
    if it is one of `PROGRAMS`, whatever its version, and an amount of 0 to 99,999 in tenths.
    """
    fitting = (name for name in (program, program.rstrip("0123456789.")) if name in PROGRAMS)
    known = PROGRAMS.index(name) + 1 if (name := next(fitting, None)) else 0
    tenths = round(min(max(amount, 0.0), LARGEST_AMOUNT) * 10)
    return float(((SOURCES.index(source) + 1) * 1000 + known) * TENTHS + tenths)


def source_name(number: float) -> str:
    """What `source_number` made this number of, as a text; "" for a number that it does not make."""
    rest, tenths = divmod(int(number), TENTHS)
    source, program = divmod(rest, 1000)
    if source not in range(1, len(SOURCES) + 1):
        return ""
    name = PROGRAMS[program - 1] if program in range(1, len(PROGRAMS) + 1) else ""
    return SOURCES[source - 1].format(
        program=name or "a program", within=f" in {name}" if name else "", n=tenths / 10
    )


def set_aside_name(now: datetime) -> str:
    """The name of the directory into which settings are moved at this time."""
    return f"set-aside-{now.astimezone(UTC):%Y-%m-%d-%H%M%S}"


def table_name(cluster: str, table: str) -> str:
    """The name of one of `TABLES`."""
    return f"cloudjhub-{cluster}-{table}"


def group_scope(group: str) -> str:
    """The scope of a group's policy."""
    return f"group/{group}"


def user_scope(user: str) -> str:
    """The scope of a user's policy."""
    return f"user/{user}"


def metric_namespace(cluster: str) -> str:
    """The CloudWatch namespace in which a cluster's workers report."""
    return f"cloudjhub/{cluster}"


def idle_alarm_prefix(cluster: str) -> str:
    """What the names of a cluster's idle alarms begin with."""
    return f"cloudjhub-{cluster}-idle-"


def idle_alarm_name(cluster: str, instance_id: str) -> str:
    """The name of an instance's idle alarm."""
    return idle_alarm_prefix(cluster) + instance_id
