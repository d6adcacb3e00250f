"""The cluster's CloudWatch dashboard. Pure: only metrics and logs that really exist."""

from pathlib import Path
from typing import Any

from bootstrap.aws import names
from bootstrap.cluster.documents import filled_in
from bootstrap.config.settings import ClusterSettings
from lifecycle_app.contract import metric_namespace
from lifecycle_app.model.history import PER_HOUR

PERIOD = 300
"""Seconds."""


def dashboard(settings: ClusterSettings, region: str) -> dict[str, Any]:
    """The dashboard's body: what the workers do and cost, what the functions do, and what they decided."""
    cluster = settings.cluster
    groups = map(names.function_log_group, names.functions(cluster))
    return filled_in(
        Path(__file__).with_name("dashboard.yaml"),
        cluster=cluster,
        region=region,
        period=PERIOD,
        workers=_workers(settings),
        cpu=_search(cluster, "CPU", "Maximum"),
        invocations=_of_functions(cluster, "Invocations"),
        errors=_of_functions(cluster, "Errors"),
        queue=names.dead_letter_queue(cluster),
        logs=" | ".join(f"SOURCE '{group}'" for group in groups),
    )


def _workers(settings: ClusterSettings) -> list[list[Any]]:
    """Every worker reports once a period: the number of reports is the number of workers."""
    reports = max(1, int(PERIOD / settings.timing.report_period.total_seconds()))
    metrics: list[list[Any]] = [
        [{"expression": _search(settings.cluster, "Activity", "SampleCount"), "id": "r", "visible": False}],
        [{"expression": f"SUM(r) / {reports}", "id": "n", "label": "workers that report"}],
    ]
    kind = settings.workers.all_types[0]
    if kind in PER_HOUR:
        label = f"US dollars an hour, were all {kind} in us-east-1"
        metrics.append([{"expression": f"n * {PER_HOUR[kind]}", "id": "c", "label": label, "yAxis": "right"}])
    return metrics


def _of_functions(cluster: str, metric: str) -> list[list[Any]]:
    return [
        ["AWS/Lambda", metric, "FunctionName", names.function(cluster, handler), {"label": handler}]
        for handler in names.WATCHED
    ]


def _search(cluster: str, metric: str, stat: str) -> str:
    """A search for all workers; names with other characters than letters and digits must be quoted."""
    found = f'{{"{metric_namespace(cluster)}",InstanceId}} MetricName="{metric}"'
    return f"SEARCH('{found}', '{stat}', {PERIOD})"
