"""The page of what can be watched: functions and what invokes them, events, metrics, alarms. Pure."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.monitoring import recovery
from bootstrap.cluster.monitoring.alarms import Alarm, alarms
from bootstrap.config.settings import ClusterSettings, Login, Network
from docs.site.tables import MADE, escaped, table
from hub.audit.event import Event
from hub.metrics import Machines, drains, starts, step_seconds
from lifecycle_app import contract
from lifecycle_app.model.history import Kind
from lifecycle_app.settings import triggers

APP = Path(__file__).resolve().parents[2] / "app.py"
CLUSTER = ClusterSettings(
    cluster="mine",
    region="us-east-1",
    owner="Ada",
    network=Network(name="mine"),
    login=Login(trusted_users=True),
)
SCOPE = Scope(cluster=CLUSTER.cluster, account="123456789012", region=CLUSTER.region)
REPORTED: Mapping[str, str] = {
    "Activity": "how active the machine was: 0 quiet, 1 load that does not count, 2 work, 3 a person",
    "Interaction": "1 if a person did something",
    "BusyKernels": "kernels that run a cell, if any",
    "BusyTerminals": "terminals in which a program works, if any",
    "CPU": "percent of one core, of all the user's processes",
    "App": "the number of a web app that had traffic",
    "Source": "what besides a person kept the machine busy, as a number, once no person is there",
    "HomeSize": "size of the home's file system, while it is filling",
    "HomeFree": "free space in the home, while it is filling",
}
"""What each metric of a worker is; `tests/contracts/test_generated_pages.py` names one that is missing here."""


def page() -> str:
    """Functions, events, metrics, alarms and kinds of history."""
    metrics = [
        (f"`{name}`", unit if unit != "None" else "", REPORTED.get(name, ""))
        for name, unit in contract.METRIC_UNITS.items()
    ]
    kinds = [(f"`{kind}`", escaped(about)) for kind, about in _documented(Kind).items()]
    return "\n".join(
        [
            "# Functions, events, metrics and alarms\n",
            MADE,
            "## Functions and what invokes them\n",
            f"Of the cluster `mine` a function is called `{names.function('mine', 'sweep')}`, for example.\n",
            table(("function", "invoked by", "what it does"), functions()),
            "## Metrics of machines\n",
            "In CloudWatch, namespace `cloudjhub/<cluster>`, dimension `InstanceId`.\n",
            table(("metric", "unit", "what"), metrics),
            "## Metrics of the hub\n",
            "For Prometheus, at `/hub/metrics`, beside JupyterHub's own.\n",
            table(("metric", "what", "labels"), hub_metrics()),
            "## Alarms\n",
            "Of a cluster `mine`. EC2 acts on the last two. They notify the address in `alerts`. Each machine has an"
            " idle alarm too, which notifies no one: its event invokes `idle_alarm`.\n",
            table(
                ("alarm", "fires when", "on"),
                map(_alarm, [*alarms(CLUSTER, ""), *recovery.alarms(SCOPE, "i-...", "")]),
            ),
            "## Kinds of history entries\n",
            table(("kind", "what it records"), kinds),
            "## Fields of the audit log\n",
            table(("field",), [(f"`{one}`",) for one in ("time", *_fields())]),
        ]
    )


def all_alarms() -> list[Alarm]:
    """The cluster's own."""
    return [*alarms(CLUSTER, ""), *recovery.alarms(SCOPE, "i-...", "")]


def _fields() -> Iterator[str]:
    return (one for one in Event.__dataclass_fields__ if one != "at")


def functions() -> Iterator[tuple[str, str, str]]:
    """Each function of app.py with its trigger, as its decorator says, and its docstring."""
    for node in ast.parse(APP.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            [decorator] = node.decorator_list
            assert isinstance(decorator, ast.Call)
            yield f"`{node.name}`", _trigger(decorator.args[0]), escaped(ast.get_docstring(node) or "")


def _trigger(given: ast.expr) -> str:
    if isinstance(given, ast.Attribute):
        return f"`{getattr(triggers({}), given.attr)}`"
    assert isinstance(given, ast.Dict)
    pattern = {
        ast.literal_eval(key): value for key, value in zip(given.keys, given.values, strict=True) if key
    }
    source, kind = (_constant(pattern[key]) for key in ("source", "detail-type"))
    return f"event `{kind}` of `{source}`"


def _constant(listed: ast.expr) -> str:
    """The contract's constant that is the only one in a list."""
    assert isinstance(listed, ast.List)
    [name] = listed.elts
    assert isinstance(name, ast.Name)
    return str(getattr(contract, name.id))


def hub_metrics() -> Iterator[tuple[str, str, str]]:
    """Each metric of ours with its help and its labels."""
    for metric in (starts, step_seconds, drains):
        [family] = metric.collect()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield f"`{name}`", family.documentation, ", ".join(f"`{label}`" for label in metric._labelnames)
    for family in Machines(list).collect():
        yield (
            f"`{family.name}`",
            family.documentation,
            ", ".join(f"`{label}`" for label in family._labelnames),
        )


def _alarm(one: Alarm) -> tuple[str, str, str]:
    return f"`{one['AlarmName']}`", one["AlarmDescription"], f"{one['Namespace']} `{one['MetricName']}`"


def _documented(kind: type[Kind]) -> dict[str, str]:
    """The members of an enumeration with the text below each."""
    [found] = ast.parse(inspect.getsource(kind)).body
    assert isinstance(found, ast.ClassDef)
    about: dict[str, str] = {}
    for member, text in pairwise(found.body):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr):
            about[ast.literal_eval(member.value)] = str(ast.literal_eval(text.value))
    return about
