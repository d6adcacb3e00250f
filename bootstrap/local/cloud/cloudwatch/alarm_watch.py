"""Evaluates moto's alarms over the metric store and announces their transitions."""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bootstrap.local.cloud.cloudwatch import alarms
from bootstrap.local.cloud.cloudwatch.alarms import AlarmState, Condition, MissingData
from bootstrap.local.cloud.cloudwatch.metrics import Metric, MetricStore
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.events import Events, alarm_event
from bootstrap.local.cloud.faults import Faults

log = logging.getLogger(__name__)

STANDARD_PERIOD = 60
SLOWER = 6
"""Alarms on whole minutes are evaluated each minute, those on shorter periods every ten seconds."""


@dataclass(slots=True)
class AlarmWatch:
    """Keeps the state of every metric alarm. `evaluate` methods are used under the emulator's lock."""

    emulator: Emulator
    metrics: MetricStore
    events: Events
    faults: Faults
    clock: Callable[[], float]
    interval: timedelta

    def run(self, ended: threading.Event) -> None:
        """Evaluates the alarms periodically until the event is set."""
        turn = 0
        while not ended.wait(self.interval.total_seconds()):
            turn += 1
            if not self.faults.is_on("alarms-off"):
                with self.emulator.lock:
                    self.evaluate_all(with_standard=turn % SLOWER == 0)

    def evaluate_all(self, *, with_standard: bool) -> None:
        """Brings all alarms up to date, those on whole minutes only with `with_standard`."""
        for alarm in list(self.emulator.backend("cloudwatch").alarms.values()):
            is_watched = alarm.metric_name is not None and alarm.statistic is not None
            if is_watched and (with_standard or int(alarm.period) < STANDARD_PERIOD):
                self.evaluate(alarm)

    def evaluate(self, alarm: Any) -> None:
        """Brings one alarm up to date."""
        now = self.clock()
        watched = condition(alarm)
        period = int(alarm.period)
        datapoints = self._datapoints(alarm, watched.evaluation_range, period, now)
        old = AlarmState(alarm.state_value)
        new = alarms.evaluate(watched, datapoints, old)
        if new is old:
            return
        before = state_detail(alarm)
        alarm.update_state(
            alarms.reason(watched, datapoints, old, new),
            json.dumps(_reason_data(alarm, watched, datapoints, now)),
            str(new),
        )
        log.info("alarm %s: %s -> %s: %s", alarm.name, old, new, alarm.state_reason)
        self.announce(alarm, before)

    def announce(self, alarm: Any, before: dict[str, Any]) -> None:
        """Sends an event with the alarm's new state."""
        detail = {
            "alarmName": alarm.name,
            "state": state_detail(alarm),
            "previousState": before,
            "configuration": _configuration(alarm),
        }
        self.events.put(alarm_event(str(alarm.alarm_arn), detail, self.clock()))

    def _datapoints(self, alarm: Any, count: int, period: int, now: float) -> list[float | None]:
        """The statistic of the newest whole periods, oldest first."""
        end = now - now % period
        starts = [end - back * period for back in range(count, 0, -1)]
        found = self.metrics.statistic(metric(alarm), alarm.statistic, period, starts[0], end, alarm.unit)
        return [found.get(start) for start in starts]


def condition(alarm: Any) -> Condition:
    """A moto alarm's condition."""
    periods = int(alarm.evaluation_periods)
    return Condition(
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        evaluation_periods=periods,
        datapoints_to_alarm=int(alarm.datapoints_to_alarm or periods),
        missing=MissingData(alarm.treat_missing_data or MissingData.MISSING),
    )


def metric(alarm: Any) -> Metric:
    """The metric that a moto alarm watches."""
    dimensions = tuple(sorted((one.name, one.value) for one in alarm.dimensions))
    return Metric(alarm.namespace, alarm.metric_name, dimensions)


def state_detail(alarm: Any) -> dict[str, Any]:
    """An alarm's state as in its events."""
    return {
        "value": alarm.state_value,
        "reason": alarm.state_reason,
        "reasonData": alarm.state_reason_data,
        "timestamp": _moment(alarm.state_updated_timestamp),
    }


def _configuration(alarm: Any) -> dict[str, Any]:
    stat = {
        "metric": {
            "namespace": alarm.namespace,
            "name": alarm.metric_name,
            "dimensions": {one.name: one.value for one in alarm.dimensions},
        },
        "period": int(alarm.period),
        "stat": alarm.statistic,
    }
    metrics = [{"id": "m1", "metricStat": stat, "returnData": True}]
    return {"metrics": metrics} | ({"description": alarm.description} if alarm.description else {})


def _reason_data(
    alarm: Any, watched: Condition, datapoints: list[float | None], now: float
) -> dict[str, Any]:
    real = [value for value in datapoints if value is not None][-watched.evaluation_periods :]
    period = int(alarm.period)
    return {
        "version": "1.0",
        "queryDate": _moment(datetime.fromtimestamp(now, UTC)),
        "startDate": _moment(datetime.fromtimestamp(now - now % period - len(datapoints) * period, UTC)),
        "statistic": alarm.statistic,
        "period": period,
        "recentDatapoints": real,
        "threshold": watched.threshold,
    }


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
