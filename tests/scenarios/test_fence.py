"""A stop never races a returning user, and is carried out once."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tests.scenarios.cloud import LocalCloud
from tests.scenarios.events import alarm_event, sweep_event
from tests.shared.waiting import PATIENCE

pytestmark = pytest.mark.cloud


def test_a_login_during_a_stop_waits_and_succeeds(cloud: LocalCloud) -> None:
    niaj = cloud.person("niaj")
    niaj.start()
    niaj.write("kept.txt", "still here")
    instance = cloud.recorded("niaj")["instance"]
    with ExitStack() as stop:
        stop.enter_context(cloud.faults("slow-stop", seconds=PATIENCE))
        niaj.stop()
        cloud.await_state("niaj", "stopping")
        niaj.request_start()
        events = niaj.await_ready(at="being stopped", then=stop.close)
    assert any("being stopped" in event["message"] for event in events), "the page says what it waits for"
    assert niaj.read("kept.txt") == "still here"
    assert cloud.recorded("niaj")["instance"] == instance


def test_an_alarm_and_a_sweep_at_the_same_moment_stop_once(cloud: LocalCloud) -> None:
    with cloud.faults("alarms-off", "sweep-off"):
        cloud.person("olivia", may_idle=True).start()
        instance = cloud.recorded("olivia")["instance"]
        cloud.await_true("olivia is idle for long enough", lambda: is_due(cloud, "olivia"))
        with ThreadPoolExecutor() as pool:
            runs = [
                pool.submit(cloud.invoke, name, event)
                for name, event in [("idle_alarm", alarm_event(instance)), ("sweep", sweep_event())] * 3
            ]
            answers = [run.result() for run in runs]
        assert not [answer for answer in answers if "FunctionError" in answer]
        cloud.await_state("olivia", "stopped")
        assert len(cloud.calls("StopInstances", instance)) == 1


def is_due(cloud: LocalCloud, key: str) -> bool:
    """Whether CloudWatch has seen nothing for the whole idle window, and longer than a start is left alone."""
    instance, now = cloud.recorded(key)["instance"], datetime.now(UTC)
    found = cloud.client("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {
                "Id": "activity",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "cloudjhub/local",
                        "MetricName": "Activity",
                        "Dimensions": [{"Name": "InstanceId", "Value": instance}],
                    },
                    "Period": 10,
                    "Stat": "Maximum",
                },
            }
        ],
        StartTime=now - timedelta(minutes=5),
        EndTime=now,
        ScanBy="TimestampDescending",
    )
    newest = found["MetricDataResults"][0]["Values"][:6]
    return len(newest) == 6 and max(newest) == 0
