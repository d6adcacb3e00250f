"""What several checks read of a built cluster, read once: instances, functions, stops, reports. Reads only."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.instances import found_by_tags
from bootstrap.aws.site import Site
from bootstrap.cluster import chalice
from bootstrap.machines.manager_request import ROLE_MANAGER
from bootstrap.operations.verify.judging import runs_in
from bootstrap.operations.workers.listing import store_of
from lifecycle_app.adapters.cloudwatch import CloudWatch
from lifecycle_app.contract import METRIC_LEVEL, METRIC_UNITS, ROLE_WORKER, metric_namespace
from lifecycle_app.model.evidence import REPORTS_MISSED, Evidence
from lifecycle_app.model.history import Kind
from lifecycle_app.model.policy import Policy

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NEWEST_LINES = 50
"""Of Lambda's own, which a function logs at each of its runs."""


@dataclass(frozen=True)
class Scene:
    """One cluster at one time; `built`: its `up` has just ended."""

    site: Site
    now: datetime
    built: bool = False

    @cached_property
    def workers(self) -> Sequence[Any]:
        """EC2's descriptions of the workers' instances."""
        return found_by_tags(self.site.aws, self.site.cluster, ROLE_WORKER)

    @property
    def running(self) -> list[str]:
        """Ids of the workers' instances that run."""
        return [one["InstanceId"] for one in self.workers if one["State"]["Name"] == "running"]

    @cached_property
    def managers(self) -> Sequence[Any]:
        """EC2's descriptions of the manager's instances."""
        return found_by_tags(self.site.aws, self.site.cluster, ROLE_MANAGER)

    @cached_property
    def functions(self) -> Mapping[str, Mapping[str, Any]]:
        """Lambda's configuration of each function that exists, by name."""
        client = self.site.aws.client("lambda")
        found = {}
        for name in names.functions(self.site.cluster):
            answer = if_exists(partial(client.get_function_configuration, FunctionName=name))
            if answer is not None:
                found[name] = answer
        return found

    @cached_property
    def deployed(self) -> Mapping[str, Mapping[str, Any]]:
        """What each function was deployed with, by name, as GetFunctionConfiguration has it."""
        project = chalice.project_folder() / ".chalice" / "config.json"
        base = json.loads(project.read_text(encoding="utf-8"))
        (stage,) = base["stages"].values()
        return {
            names.function(self.site.cluster, handler): {
                "Architectures": [base["lambda_architecture"]],
                "MemorySize": of_it.get("lambda_memory_size", base["lambda_memory_size"]),
                "Timeout": of_it["lambda_timeout"],
                "Role": self.site.scope.role_arn(
                    names.function_role(self.site.cluster, handler, self.site.settings.role_prefix)
                ),
            }
            for handler, of_it in stage["lambda_functions"].items()
        }

    @cached_property
    def log_lines(self) -> Mapping[str, Sequence[str]]:
        """Of each function, Lambda's own lines of the last day about its runs; at most a page."""
        return {name: self._lines(name, '"REPORT RequestId"') for name in self.functions}

    @cached_property
    def failed_imports(self) -> Mapping[str, Sequence[str]]:
        """Of each function, the lines of the last day about what it could not import."""
        return {name: self._lines(name, "?ImportModuleError ?ModuleNotFoundError") for name in self.functions}

    def runs(self, function: str) -> list[dict[str, float]]:
        """See `judging.runs_in`."""
        return runs_in(self.log_lines[function])

    def _lines(self, function: str, pattern: str) -> list[str]:
        client = self.site.aws.client("logs")
        found = if_exists(
            lambda: client.filter_log_events(
                logGroupName=names.function_log_group(function),
                filterPattern=pattern,
                startTime=int((self.now - DAY).timestamp() * 1000),
                limit=NEWEST_LINES,
            )
        )
        return [event["message"] for event in found["events"]] if found else []

    @cached_property
    def stops(self) -> Mapping[str, int]:
        """How many stops of the last day each function made; "" is one that the history does not name."""
        store, since = store_of(self.site), self.now - DAY
        days = sorted({since.strftime("%Y-%m-%d"), self.now.strftime("%Y-%m-%d")})
        entries = [entry for day in days for entry in store.history_of_day(day)]
        return Counter(
            str(one.evidence.get("function", ""))
            for one in entries
            if one.kind is Kind.STOP and one.at >= since
        )

    @cached_property
    def evidence(self) -> Mapping[str, Evidence]:
        """The lifecycle app's own evidence of each running worker, over the half hour of its default policy."""
        period = self.site.settings.timing.report_period
        app = CloudWatch(self.site.aws.client("cloudwatch"), self.site.cluster, period)
        policies = {one: Policy(idle_timeout=Policy().hung_after) for one in self.running}
        return app.evidence_of_all(policies, self.now) if policies else {}

    def sample_counts(self, instance_id: str) -> list[float]:
        """How many reports CloudWatch has of each period of its newest run in the last hour, but for its ends."""
        period = int(self.site.settings.timing.report_period.total_seconds())
        metric = {
            "Namespace": metric_namespace(self.site.cluster),
            "MetricName": METRIC_LEVEL,
            "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
        }
        asked: Any = {
            "Metric": metric,
            "Period": period,
            "Stat": "SampleCount",
            "Unit": METRIC_UNITS[METRIC_LEVEL],
        }
        answer = self.site.aws.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "counts", "MetricStat": asked, "ReturnData": True}],
            StartTime=self.now - HOUR,
            EndTime=self.now - 4 * self.site.settings.timing.report_period,
            ScanBy="TimestampAscending",
        )
        points = answer["MetricDataResults"][0]
        found = dict(zip(points["Timestamps"], points["Values"], strict=True))
        step = timedelta(seconds=period)
        times = newest_run(sorted(found), step)[1:]
        if not times:
            return []
        return [
            found.get(times[0] + number * step, 0.0) for number in range((times[-1] - times[0]) // step + 1)
        ]


def newest_run(times: Sequence[datetime], step: timedelta) -> Sequence[datetime]:
    """The newest of these sorted times without a gap of several steps: a stopped machine reports nothing."""
    for number in range(len(times) - 1, 0, -1):
        if times[number] - times[number - 1] > REPORTS_MISSED * step:
            return times[number:]
    return times
