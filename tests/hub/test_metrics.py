"""cloudJHub's metrics, and the dashboard that shows them."""

import json
import re

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from hub import metrics
from lifecycle_app.model.worker import State
from tests.hub.emulated import REPOSITORY
from tests.hub.fakes import worker

DASHBOARD = REPOSITORY / "docs" / "grafana.json"
SUFFIXES = re.compile(r"_(total|bucket|count|sum)$")


def test_machines_are_counted_by_state_reason_and_price() -> None:
    registry = CollectorRegistry()
    known = [
        worker("ada", instance_type="t3.medium"),
        worker("bob", instance_type="x9.huge"),
        worker("cy", State.STOPPED, stop_reason="idle", instance_type="t3.medium"),
        worker("dan", State.STOPPED),
    ]
    registry.register(metrics.Machines(lambda: known))
    lines = generate_latest(registry).decode().splitlines()
    values = [line for line in lines if not line.startswith("#")]
    assert values == [
        'cloudjhub_machines{state="pending"} 0.0',
        'cloudjhub_machines{state="running"} 2.0',
        'cloudjhub_machines{state="stopped"} 2.0',
        'cloudjhub_machines{state="stopping"} 0.0',
        'cloudjhub_machines{state="terminated"} 0.0',
        'cloudjhub_stopped_machines{reason="idle"} 1.0',
        'cloudjhub_stopped_machines{reason="unknown"} 1.0',
        "cloudjhub_running_dollars_per_hour 0.0416",
    ]


def test_the_dashboard_shows_metrics_that_exist() -> None:
    import jupyterhub.metrics  # noqa: F401 -- registers JupyterHub's

    ours = {one.name for one in metrics.Machines(list).collect()}
    known = ours | {family.name for family in REGISTRY.collect()}
    shown = {
        SUFFIXES.sub("", name)
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b(?:cloudjhub|jupyterhub)_\w+", target["expr"])
    }
    assert shown <= known, shown - known
    assert {name for name in shown if name.startswith("cloudjhub_")} == {
        *ours, "cloudjhub_starts", "cloudjhub_start_step_seconds", "cloudjhub_drains",
    }  # fmt: skip
