"""Dead-letter queues, alarms, notices and dashboard: put as they should be, reported when they differ, removed."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from bootstrap.aws.names import HANDLERS, WATCHED
from bootstrap.aws.scope import Scope
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.cluster.monitoring import cloudwatch, dead_letters, notices, recovery
from bootstrap.cluster.monitoring.alarms import alarms, retired, silence
from bootstrap.cluster.monitoring.dashboard import dashboard
from bootstrap.cluster.monitoring.dead_letters import PATIENCE, invoke_config, queue_policy, with_patience
from bootstrap.config.settings import ClusterSettings, Network, Timing
from bootstrap.costs.prices import Prices
from bootstrap.local.cloud.cloudwatch.alarms import AlarmState, Condition, MissingData, evaluate
from lifecycle_app.contract import idle_alarm_prefix
from lifecycle_app.errors import ForeignEvent
from lifecycle_app.model import events
from lifecycle_app.use_cases import record_activity
from tests.lifecycle.examples import NOON, a_worker
from tests.lifecycle.fakes import World

SCOPE = Scope(cluster="spring", account="123456789012", region="us-east-1")
SETTINGS = ClusterSettings(cluster="spring", region="us-east-1", owner="me", network=Network(name="spring"))
QUEUE = "arn:aws:sqs:us-east-1:123456789012:cloudjhub-spring-dead-letters"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Site(settings=SETTINGS, aws=Aws("us-east-1"), directory=tmp_path)


def with_alerts(site: Site, address: str) -> Site:
    return replace(site, settings=replace(SETTINGS, alerts=address))


def made_by_chalice(site: Site) -> None:
    """Functions on rules, as far as the watching sees them."""
    trust = {"Version": "2012-10-17", "Statement": []}
    role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))
    for handler in HANDLERS:
        arn = site.aws.client("lambda").create_function(
            FunctionName=f"cloudjhub-spring-{handler}",
            Runtime="python3.11",
            Role=role["Role"]["Arn"],
            Handler="app.x",
            Code={"ZipFile": b"x"},
        )["FunctionArn"]
        rule = f"cloudjhub-spring-{handler}-event"
        site.aws.client("events").put_rule(Name=rule, ScheduleExpression="rate(1 minute)")
        site.aws.client("events").put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn}])


def test_every_handler_has_its_patience() -> None:
    assert set(PATIENCE) == set(HANDLERS)
    for patience in PATIENCE.values():
        assert 0 <= patience.retries <= 2
        assert timedelta(minutes=1) <= patience.age <= timedelta(hours=6)


def test_what_has_no_alarm_of_its_own_fails_into_the_queue_at_once() -> None:
    unwatched = {handler for handler in HANDLERS if handler not in WATCHED}
    assert unwatched >= {"keep_requested", "change_policy", "remove_stopped"}
    assert {PATIENCE[handler].retries for handler in unwatched} == {0}


def test_a_failed_event_is_tried_twice_more_and_then_kept() -> None:
    assert invoke_config(SCOPE, "record_state") == {
        "FunctionName": "cloudjhub-spring-record_state",
        "MaximumRetryAttempts": 2,
        "MaximumEventAgeInSeconds": 21600,
        "DestinationConfig": {"OnFailure": {"Destination": QUEUE}},
    }


def test_a_target_keeps_what_chalice_made_of_it() -> None:
    [target] = with_patience(SCOPE, "sweep", [{"Id": "1", "Arn": "arn:f", "Input": "{}"}])
    assert target == {
        "Id": "1",
        "Arn": "arn:f",
        "Input": "{}",
        "RetryPolicy": {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 300},
        "DeadLetterConfig": {"Arn": QUEUE},
    }


def test_only_this_clusters_rules_may_send_and_only_by_tls() -> None:
    refusal, rules = queue_policy(SCOPE)["Statement"]
    assert refusal["Effect"] == "Deny"
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert rules["Principal"] == {"Service": "events.amazonaws.com"}
    assert rules["Action"] == "sqs:SendMessage"
    sources = rules["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert "arn:aws:events:us-east-1:123456789012:rule/cloudjhub-spring-sweep-event" in sources
    assert len(sources) == len(HANDLERS)
    assert not any("*" in source for source in sources)


def test_the_queue_is_encrypted_and_everything_fails_into_it(site: Site) -> None:
    made_by_chalice(site)
    before = list(dead_letters.differences(site))
    assert len(before) == 1 + 2 * len(HANDLERS)
    dead_letters.apply(site)
    assert list(dead_letters.differences(site)) == []
    url = dead_letters.find(site)
    assert url is not None
    attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["MessageRetentionPeriod"] == "1209600"
    assert attributes["SqsManagedSseEnabled"] == "true"
    targets = boto3.client("events").list_targets_by_rule(Rule="cloudjhub-spring-sweep-event")["Targets"]
    assert [target["DeadLetterConfig"] for target in targets] == [{"Arn": QUEUE}]


def test_what_a_deployment_put_back_is_set_again(site: Site) -> None:
    made_by_chalice(site)
    dead_letters.apply(site)
    events = boto3.client("events")
    rule = "cloudjhub-spring-sweep-event"
    [target] = events.list_targets_by_rule(Rule=rule)["Targets"]
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": target["Arn"]}])
    url = dead_letters.find(site)
    assert url is not None
    boto3.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    assert list(dead_letters.differences(site)) == [
        "dead-letter queue's settings",
        "retries of the rule of sweep",
    ]
    dead_letters.apply(site)
    assert list(dead_letters.differences(site)) == []


def test_the_queue_goes(site: Site) -> None:
    made_by_chalice(site)
    dead_letters.apply(site)
    dead_letters.remove(site)
    dead_letters.remove(site)
    assert dead_letters.find(site) is None


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        ("rate(1 minute)", 15),
        ("rate(5 minutes)", 15),
        ("rate(6 minutes)", 18),
        ("rate(1 hour)", 180),
        ("rate(2 days)", 1440),
        ("cron(0 * * * ? *)", 1440),
    ],
)
def test_a_silent_sweep_is_reported_after_three_missed_runs(schedule: str, minutes: int) -> None:
    assert silence(schedule) == timedelta(minutes=minutes)
    settings = replace(SETTINGS, timing=Timing(sweep_schedule=schedule))
    [alarm] = [one for one in alarms(settings, "") if one["AlarmName"].endswith("sweep-silent")]
    assert alarm["Period"] * alarm["EvaluationPeriods"] == minutes * 60
    assert alarm["ComparisonOperator"] == "LessThanThreshold"


def test_a_silent_sweep_rings_and_a_new_cluster_does_not() -> None:
    """By CloudWatch's rules, minute by minute: no state changes before the first sweep; OK while there are sweeps;
    then INSUFFICIENT_DATA, which is what the alarm reports.
    """
    [alarm] = [one for one in alarms(SETTINGS, "arn:topic") if one["AlarmName"].endswith("sweep-silent")]
    assert alarm["AlarmDescription"].endswith("has not run for 15 minutes")
    assert (alarm["AlarmActions"], alarm["OKActions"]) == ([], ["arn:topic"])
    assert alarm["InsufficientDataActions"] == ["arn:topic"]
    watched = Condition(
        comparison=alarm["ComparisonOperator"],
        threshold=alarm["Threshold"],
        evaluation_periods=alarm["EvaluationPeriods"],
        datapoints_to_alarm=alarm["EvaluationPeriods"],
        missing=MissingData(alarm["TreatMissingData"]),
    )
    period, runs = alarm["Period"] // 60, range(20, 60, 5)
    state, found = AlarmState.INSUFFICIENT_DATA, dict[int, AlarmState]()
    for minute in range(120):
        end = minute - minute % period
        starts = [end - back * period for back in range(watched.evaluation_range, 0, -1)]
        counts = [sum(start <= run < start + period for run in runs) for start in starts]
        new = evaluate(watched, [float(count) if count else None for count in counts], state)
        if new is not state:
            state = found[minute] = new
    assert list(found.values()) == [AlarmState.OK, AlarmState.INSUFFICIENT_DATA]
    became_ok, rang = found
    assert 20 <= became_ok <= 30
    assert 55 + 15 <= rang <= 55 + 30


def test_alarms_are_within_cloudwatchs_limits_and_are_no_idle_alarms() -> None:
    found = alarms(SETTINGS, "arn:topic")
    assert len({alarm["AlarmName"] for alarm in found}) == 2 + len(WATCHED)
    for alarm in found:
        assert alarm["Period"] % 60 == 0
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= 86400
        assert ["arn:topic"] in (alarm["AlarmActions"], alarm["InsufficientDataActions"])
        assert not alarm["AlarmName"].startswith(idle_alarm_prefix("spring"))


def test_alarms_and_dashboard_are_put_once_changed_and_removed(site: Site) -> None:
    assert len(list(cloudwatch.differences(site))) == len(alarms(SETTINGS, "")) + 1
    cloudwatch.apply(site)
    assert list(cloudwatch.differences(site)) == []
    slower = replace(site, settings=replace(SETTINGS, timing=Timing(sweep_schedule="rate(1 hour)")))
    assert list(cloudwatch.differences(slower)) == ["alarm cloudjhub-spring-watch-sweep-silent"]
    cloudwatch.apply(slower)
    assert list(cloudwatch.differences(slower)) == []
    cloudwatch.remove(slower)
    assert list(cloudwatch.parts(slower)) == []


def test_another_cluster_keeps_its_alarms(site: Site) -> None:
    other = replace(site, settings=replace(SETTINGS, cluster="spring-watch"))
    cloudwatch.apply(site)
    cloudwatch.apply(other)
    cloudwatch.remove(site)
    assert list(cloudwatch.differences(other)) == []


def test_the_alarms_of_an_older_version_are_deleted(site: Site) -> None:
    """By `up`, and by `down` where `up` did not run before; those of another cluster stay."""
    cloudwatch.apply(site)
    client = boto3.client("cloudwatch")
    old, foreign = retired("spring")[-1], retired("spring-2")[-1]
    for name in (old, foreign):
        client.put_metric_alarm(**{**alarms(SETTINGS, "")[0], "AlarmName": name})
    assert list(cloudwatch.differences(site)) == [f"alarm {old}, which is not needed any more"]
    assert f"alarm {old}" in cloudwatch.parts(site)
    cloudwatch.apply(site)
    assert list(cloudwatch.differences(site)) == []
    client.put_metric_alarm(**{**alarms(SETTINGS, "")[0], "AlarmName": old})
    cloudwatch.remove(site)
    assert [one["AlarmName"] for one in client.describe_alarms()["MetricAlarms"]] == [foreign]


def test_an_event_that_is_throttled_for_a_minute_is_in_the_queue() -> None:
    """Why throttles need no alarm: one function is called each minute, and waits no longer."""
    assert Timing().record_schedule == "rate(1 minute)"
    assert PATIENCE["record_activity"] == dead_letters.Patience(0, timedelta(minutes=1))


def test_the_dashboard_shows_metrics_that_exist_in_a_grid() -> None:
    widgets = dashboard(SETTINGS, "us-east-1")["widgets"]
    places = [(w["x"], w["y"]) for w in widgets]
    assert len(set(places)) == len(places)
    assert all(w["x"] + w["width"] <= 24 for w in widgets)
    text = json.dumps(widgets)
    for handler in HANDLERS:
        assert f"cloudjhub-spring-{handler}" in text
    for metric in ("Invocations", "Errors", "Throttles", "ApproximateNumberOfMessagesVisible"):
        assert metric in text


def test_the_dashboard_is_free_whatever_the_number_of_workers() -> None:
    """CloudWatch counts the metrics that a dashboard refers to: no search, no widget that chooses by tag."""
    widgets = dashboard(SETTINGS, "us-east-1")["widgets"]
    assert {w["type"] for w in widgets} == {"metric", "log", "text"}
    assert "SEARCH(" not in json.dumps(widgets)
    metrics = [one for w in widgets if w["type"] == "metric" for one in w["properties"]["metrics"]]
    assert all(isinstance(name, str) for one in metrics for name in one[:-1])
    assert len(metrics) <= Prices().dashboard_free_metrics


@pytest.mark.parametrize(
    ("kinds", "workers", "dollars"),
    [((), "0", "0.0000"), (("t3.medium", "t3.large"), "2", "0.1248"), (("z9.huge",), "1", None)],
)
def test_the_dashboard_reads_what_record_activity_logs(
    kinds: tuple[str, ...], workers: str, dollars: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Its query's own expressions, on the lines of a pass; a cost where all prices are known."""
    world = World()
    for number, kind in enumerate(kinds):
        world.store.put(a_worker(key=f"u{number}", instance_id=f"i-{number:017x}", instance_type=kind), NOON)
    with caplog.at_level("INFO", "lifecycle_app"):
        record_activity(world.service, NOON)
    query = dashboard(SETTINGS, "us-east-1")["widgets"][0]["properties"]["query"]
    patterns = re.findall(r"parse @message /(.*?)/", query)
    [line] = [one.getMessage() for one in caplog.records if "workers running: " in one.getMessage()]
    found = [re.search(pattern.replace("(?<", "(?P<"), line) for pattern in patterns]
    assert [one and one[1] for one in found] == [workers, dollars]


def test_the_dashboard_leads_to_the_figures_of_each_worker() -> None:
    [text] = [w for w in dashboard(SETTINGS, "us-east-1")["widgets"] if w["type"] == "text"]
    markdown = text["properties"]["markdown"]
    assert "us-east-1#metricsV2:graph=~();namespace=~'cloudjhub*2fspring)" in markdown
    assert "us-east-1#Instances:search=spring)" in markdown


def test_no_notice_is_sent_unless_an_address_is_set(site: Site) -> None:
    assert notices.is_as_wanted(site)
    assert notices.apply(site) == ""
    assert not notices.is_there(site)


def test_an_address_is_asked_once_to_confirm(site: Site) -> None:
    told = with_alerts(site, "ops@example.org")
    assert not notices.is_as_wanted(told)
    assert "confirm" in notices.apply(told)
    assert notices.is_as_wanted(told)
    assert notices.apply(told) == ""
    cloudwatch.apply(told)
    [alarm, *_] = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["AlarmActions"] == ["arn:aws:sns:us-east-1:123456789012:cloudjhub-spring-alerts"]


def test_another_address_takes_the_firsts_place_and_none_ends_it(site: Site) -> None:
    notices.apply(with_alerts(site, "ops@example.org"))
    second = with_alerts(site, "new@example.org")
    assert not notices.is_as_wanted(second)
    notices.apply(second)
    assert notices.is_as_wanted(second)
    assert not notices.is_as_wanted(site)
    notices.apply(site)
    assert not notices.is_there(site)


MANAGER = "i-0123456789abcdef0"


def test_a_failed_host_is_left_and_a_hung_manager_rebooted() -> None:
    """The host's alarm is first: a reboot on a failed host would be in vain."""
    host, hung = recovery.alarms(SCOPE, MANAGER, "arn:topic")
    assert host == {
        "AlarmName": "cloudjhub-spring-watch-manager-host",
        "AlarmDescription": "The manager's host has failed: EC2 moves the manager",
        "ActionsEnabled": True,
        "AlarmActions": ["arn:aws:automate:us-east-1:ec2:recover", "arn:topic"],
        "OKActions": ["arn:topic"],
        "InsufficientDataActions": [],
        "Namespace": "AWS/EC2",
        "MetricName": "StatusCheckFailed_System",
        "Dimensions": [{"Name": "InstanceId", "Value": MANAGER}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 2,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
    }
    assert hung["MetricName"] == "StatusCheckFailed_Instance"
    assert hung["AlarmActions"][0] == "arn:aws:automate:us-east-1:ec2:reboot"
    assert hung["EvaluationPeriods"] > host["EvaluationPeriods"]


@pytest.mark.parametrize(
    "datapoints", [[], [None] * 5, [0.0, 0.0, 0.0, None, None], [1.0, None, None, 0.0, 0.0]]
)
def test_a_manager_that_starts_stops_or_fails_once_is_left_alone(datapoints: list[float | None]) -> None:
    for one in recovery.alarms(SCOPE, MANAGER, ""):
        watched = Condition(
            comparison=one["ComparisonOperator"], threshold=one["Threshold"],
            evaluation_periods=one["EvaluationPeriods"],
            datapoints_to_alarm=one["EvaluationPeriods"], missing=MissingData(one["TreatMissingData"]),
        )  # fmt: skip
        padded = ([None] * 5 + datapoints)[-watched.evaluation_range :]
        assert evaluate(watched, padded, AlarmState.OK) is not AlarmState.ALARM
        assert evaluate(watched, [1.0] * watched.evaluation_range, AlarmState.OK) is AlarmState.ALARM


def test_the_alarms_follow_the_manager(site: Site) -> None:
    assert not recovery.is_as_wanted(site, MANAGER)
    recovery.apply(site, MANAGER)
    assert recovery.is_as_wanted(site, MANAGER)
    assert not recovery.is_as_wanted(site, "i-0123456789abcdef1")
    recovery.apply(site, "i-0123456789abcdef1")
    assert recovery.is_as_wanted(site, "i-0123456789abcdef1")
    assert recovery.existing(site) == [
        "cloudjhub-spring-watch-manager-host",
        "cloudjhub-spring-watch-manager-hung",
    ]
    assert set(cloudwatch.alarm_names(site)).isdisjoint(recovery.existing(site))
    recovery.remove(site)
    recovery.remove(site)
    assert recovery.existing(site) == []


def test_the_lifecycle_app_takes_them_for_no_workers_alarm() -> None:
    """Neither the rule, by the name's beginning, nor the function, should the rule let one through."""
    for one in recovery.alarms(SCOPE, MANAGER, ""):
        assert not one["AlarmName"].startswith(idle_alarm_prefix("spring"))
        metric = {"namespace": "AWS/EC2", "name": one["MetricName"], "dimensions": {"InstanceId": MANAGER}}
        payload = {
            "source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "time": "2026-11-30T12:00:00Z",
            "detail": {
                "alarmName": one["AlarmName"], "state": {"value": "ALARM"},
                "configuration": {"metrics": [{"metricStat": {"metric": metric}}]},
            },
        }  # fmt: skip
        with pytest.raises(ForeignEvent):
            events.idle_alarm(payload, "spring")
