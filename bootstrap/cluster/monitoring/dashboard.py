"""The cluster's CloudWatch dashboard. Pure: only metrics and logs that really exist."""

from collections.abc import Mapping, Sequence
from typing import Any

from bootstrap.aws import names
from bootstrap.config.settings import ClusterSettings
from lifecycle_app.contract import ROLE_WORKER, TAG_CLUSTER, TAG_ROLE, metric_namespace
from lifecycle_app.model.history import PER_HOUR

COLUMNS = 24
WIDTH, HEIGHT = 8, 6
PERIOD = 300

Widget = dict[str, Any]


def dashboard(settings: ClusterSettings, region: str) -> dict[str, Any]:
    """The dashboard's body: what the workers do and cost, what the functions do, and what they decided."""
    cluster = settings.cluster
    rows: Sequence[Sequence[Widget]] = (
        (_workers(settings, region), _cpu(cluster, region), _machines(cluster, region)),
        (
            _functions("Runs of the functions", cluster, "Invocations", region),
            _functions("Failures", cluster, "Errors", region),
            _dead_letters(cluster, region),
        ),
    )
    placed = [
        {**widget, "x": column * WIDTH, "y": row * HEIGHT, "width": WIDTH, "height": HEIGHT}
        for row, widgets in enumerate(rows)
        for column, widget in enumerate(widgets)
    ]
    below = len(rows) * HEIGHT
    wide = {"x": 0, "width": COLUMNS, "height": HEIGHT}
    return {
        "widgets": [
            *placed,
            {**_stops(cluster, region), **wide, "y": below},
            {**_decisions(cluster, region), **wide, "y": below + HEIGHT},
        ]
    }


def _workers(settings: ClusterSettings, region: str) -> Widget:
    """Every worker reports once a period: the number of reports is the number of workers."""
    reports = max(1, int(PERIOD / settings.timing.report_period.total_seconds()))
    metrics: list[list[Any]] = [
        [{"expression": _search(settings.cluster, "Activity", "SampleCount"), "id": "r", "visible": False}],
        [{"expression": f"SUM(r) / {reports}", "id": "n", "label": "workers that report"}],
    ]
    kind = settings.workers.types[0]
    if kind in PER_HOUR:
        label = f"US dollars an hour, were all {kind} in us-east-1"
        metrics.append([{"expression": f"n * {PER_HOUR[kind]}", "id": "c", "label": label, "yAxis": "right"}])
    return _graph("Workers running, and their cost", metrics, region)


def _cpu(cluster: str, region: str) -> Widget:
    metrics = [[{"expression": _search(cluster, "CPU", "Maximum"), "id": "cpu", "label": ""}]]
    return _graph("CPU of the workers, %", metrics, region)


def _machines(cluster: str, region: str) -> Widget:
    """EC2's own metrics, by tag: they cover workers that hang too."""
    return {
        "type": "explorer",
        "properties": {
            "title": "EC2's own figures of the workers",
            "region": region,
            "period": PERIOD,
            "metrics": [
                {"metricName": "CPUUtilization", "resourceType": "AWS::EC2::Instance", "stat": "Average"}
            ],
            "labels": [{"key": TAG_CLUSTER, "value": cluster}, {"key": TAG_ROLE, "value": ROLE_WORKER}],
            "widgetOptions": {"view": "timeSeries", "stacked": False, "rowsPerPage": 1, "widgetsPerRow": 1},
        },
    }


def _functions(title: str, cluster: str, metric: str, region: str) -> Widget:
    metrics = [
        ["AWS/Lambda", metric, "FunctionName", names.function(cluster, handler), {"label": handler}]
        for handler in names.HANDLERS
    ]
    return _graph(title, metrics, region, stat="Sum")


def _dead_letters(cluster: str, region: str) -> Widget:
    metric = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", names.dead_letter_queue(cluster)]
    return _graph("Events in the dead-letter queue", [metric], region, stat="Maximum")


def _stops(cluster: str, region: str) -> Widget:
    query = (
        "parse @message /: stop (?<why>[a-z-]+): / | filter ispresent(why) | stats count() by bin(1h), why"
    )
    return _logs("Stops an hour, by reason", cluster, query, region, view="timeSeries")


def _decisions(cluster: str, region: str) -> Widget:
    """As `lifecycle_app.use_cases.records.add_entry` logs them."""
    query = (
        "fields @timestamp, @message "
        "| filter @message like /worker .*: (decision|stop|release|repair|report) / "
        "| sort @timestamp desc | limit 50"
    )
    return _logs("What was decided last", cluster, query, region, view="table")


def _search(cluster: str, metric: str, stat: str) -> str:
    """A search for all workers; names with other characters than letters and digits must be quoted."""
    found = f'{{"{metric_namespace(cluster)}",InstanceId}} MetricName="{metric}"'
    return f"SEARCH('{found}', '{stat}', {PERIOD})"


def _graph(title: str, metrics: Sequence[Any], region: str, stat: str = "Maximum") -> Widget:
    properties: Mapping[str, Any] = {
        "title": title,
        "region": region,
        "view": "timeSeries",
        "stacked": False,
        "period": PERIOD,
        "stat": stat,
        "metrics": metrics,
    }
    return {"type": "metric", "properties": properties}


def _logs(title: str, cluster: str, query: str, region: str, view: str) -> Widget:
    groups = map(names.function_log_group, names.functions(cluster))
    sources = " | ".join(f"SOURCE '{group}'" for group in groups)
    properties = {"title": title, "region": region, "view": view, "query": f"{sources} | {query}"}
    return {"type": "log", "properties": properties}
