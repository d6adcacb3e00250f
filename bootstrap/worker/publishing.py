"""Publishes observations to CloudWatch. Needs ``cloudwatch:PutMetricData`` on the cluster's namespace, nothing else."""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

from .facts import Observation

log = logging.getLogger(__name__)

# CloudWatch takes much older datapoints; but a decision about a machine does not wait longer than this for a report.
KEPT = timedelta(minutes=10)
# PutMetricData's limit for one call.
MAX_METRICS = 1000
HIGH_RESOLUTION_BELOW = timedelta(seconds=60)


class MetricSink(Protocol):
    """What of boto3's CloudWatch client is used."""

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> Any: ...  # noqa: N803 (AWS's names)


def namespace(cluster: str) -> str:
    """The namespace of a cluster's metrics."""
    return f"cloudjhub/{cluster}"


def metric_data(observation: Observation, instance_id: str, report_period: timedelta) -> list[dict[str, Any]]:
    """An observation as PutMetricData takes it: the level always, what explains it only where there is any."""
    values = [
        ("Activity", float(observation.level), "None"),
        ("Interaction", float(observation.level >= 3), "Count"),
        ("BusyKernels", float(observation.busy_kernels), "Count"),
        ("BusyTerminals", float(observation.busy_terminals), "Count"),
        ("CPU", observation.cpu_percent, "Percent"),
    ]
    return [
        {
            "MetricName": name,
            "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
            "Timestamp": observation.at,
            "Value": value,
            "Unit": unit,
            "StorageResolution": 1 if report_period < HIGH_RESOLUTION_BELOW else 60,
        }
        for name, value, unit in values
        if value or name == "Activity"
    ]


class Publisher:
    """Sends observations, and keeps what could not be sent for the next time. Used by one thread at a time."""

    def __init__(
        self, connect: Callable[[], MetricSink], *, cluster: str, instance_id: str, report_period: timedelta
    ) -> None:
        self._connect = connect
        self._sink: MetricSink | None = None
        self._namespace = namespace(cluster)
        self._instance_id = instance_id
        self._report_period = report_period
        self._unsent: deque[Observation] = deque()
        self._failing = False

    def publish(self, observations: Iterable[Observation], now: datetime) -> None:
        """Send them with what is still unsent, oldest first. A failure is logged once, until it is over."""
        self._unsent.extend(observations)
        while self._unsent and now - self._unsent[0].at > KEPT:
            self._unsent.popleft()
        try:
            self._send()
        except Exception as error:  # whatever botocore raises: the user's server must not suffer from it
            if not self._failing:
                log.warning("Worker %s: activity is not published for now: %s", self._instance_id, error)
            self._failing = True
            return
        if self._failing:
            log.info("Worker %s: activity is published again", self._instance_id)
        self._failing = False

    def _send(self) -> None:
        if self._sink is None:
            self._sink = self._connect()
        data: list[dict[str, Any]] = []
        for observation in self._unsent:
            data += metric_data(observation, self._instance_id, self._report_period)
        for start in range(0, len(data), MAX_METRICS):
            self._sink.put_metric_data(
                Namespace=self._namespace, MetricData=data[start : start + MAX_METRICS]
            )
        self._unsent.clear()


def cloudwatch() -> MetricSink:
    """A CloudWatch client for the machine's own region and role. It gives up soon: unsent reports are kept."""
    # Imported late, in the publishing thread: it takes a quarter of a second that a person at login would wait.
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
    client: Any = boto3.client("cloudwatch", config=config)
    sink: MetricSink = client
    return sink
