"""`workers`: listed with cost and evidence, stopped only by the app, terminated by name and never more."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from bootstrap.aws import instances
from bootstrap.aws.session import Aws
from bootstrap.cli.workers import orphans_noted, workers
from bootstrap.errors import NotBuilt, Refused, SettingsError, StepFailed
from bootstrap.operations.workers import stopping, termination
from bootstrap.operations.workers.listing import ListedWorker, days_of_month, joined
from bootstrap.operations.workers.stopping import kept, moment
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import message, plain
from lifecycle_app.model.worker import State, Worker
from tests.bootstrap.clusters import NOW, REGION, Built, built

TOKYO = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Built]:
    monkeypatch.setattr(stopping, "POLL_EVERY", 0.01)
    with built(monkeypatch, tmp_path) as made:
        yield made


def app_stops(cluster: Built, monkeypatch: pytest.MonkeyPatch, *but: str) -> None:
    """The lifecycle app: stops whoever is asked for, but for these."""

    def answer(_site: Any, machines: Sequence[Any], _now: datetime) -> None:
        for machine in machines:
            if machine.key not in but:
                cluster.ec2.stop_instances(InstanceIds=[machine.instance_id])
                worker = cluster.store.get(machine.key)
                assert worker is not None
                cluster.store.put(replace(worker, state=State.STOPPED, started_at=None), NOW)

    monkeypatch.setattr(stopping, "ask_to_stop", answer)


def requests_seen() -> Any:
    """A queue that gets all stop requests."""
    sqs = boto3.client("sqs", region_name=REGION)
    url = sqs.create_queue(QueueName="seen")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events = boto3.client("events", region_name=REGION)
    events.put_rule(Name="seen", EventPattern=json.dumps({"source": ["cloudjhub.hub"]}))
    events.put_targets(Rule="seen", Targets=[{"Id": "1", "Arn": arn}])

    def read() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    return read


def test_what_a_removed_user_has_left_is_named() -> None:
    left = ListedWorker(key="bob/gpu", instance_id="", state="terminated", home_volume="vol-1")
    gone = ListedWorker(key="bob", instance_id="i-1", state="terminated")
    ada = ListedWorker(key="ada", instance_id="i-2", state="stopped")
    noted = orphans_noted([left, gone, ada], {"bob"})
    assert "`cloudjhub workers terminate bob/gpu --with-home`" in noted[0].note
    assert noted[1:] == [gone, ada]


def test_records_and_machines_are_listed_together(cluster: Built) -> None:
    active = NOW - timedelta(minutes=10)
    alice = cluster.worker("alice", last_activity=active, message=plain("its user used it"))
    cluster.worker("bob", state=State.STOPPED)
    orphan = cluster.instance("carol")
    cluster.instance("dave", cluster="autumn")
    found = json.loads(cluster.run(workers, "list", "--json").output)
    assert [one["worker"] for one in found] == ["alice", "bob", "carol"]
    first, second, third = found
    assert first["instance_id"] == alice.instance_id
    assert 600 <= first["idle"] < 3000
    assert first["cost_this_month"] is None, "no prices are known for this region"
    assert first["image"].startswith("ami-")
    assert second["state"] == "stopped"
    assert second["idle"] is None
    assert third["instance_id"] == orphan
    assert "no record" in third["note"]


def test_the_list_for_people_tells_the_same(cluster: Built) -> None:
    assert "no user has logged in yet" in cluster.run(workers, "list").output
    cluster.worker("alice/gpu", keep_until=NOW + timedelta(hours=2))
    assert "alice/gpu" in cluster.run(workers, "list").output


def test_a_workers_history_says_why_and_what_it_cost(cluster: Built) -> None:
    cluster.worker("alice")
    assert "nothing has happened to alice yet" in cluster.run(workers, "history", "alice").output
    for number, (kind, more) in enumerate(
        [
            (Kind.STOP, {"message": message("stop-requested", by="boss"), "evidence": {"cpu": 1.5}}),
            (
                Kind.RUN,
                {
                    "message": message("run", ran=timedelta(minutes=90), cost=0.0624),
                    "seconds": 5400,
                    "cost": 0.0624,
                },
            ),
            (Kind.DECISION, {"message": plain("its machine is new"), "reason": "active"}),
        ]
    ):
        given: dict[str, Any] = {"key": "alice", "reason": "idle", "instance_id": "i-1", **more}
        cluster.store.add_history(Entry(at=NOW + timedelta(minutes=number), kind=kind, **given))
    told = cluster.run(workers, "history", "alice", "--evidence").output.splitlines()
    assert [line[21:] for line in told if not line.startswith(" ")] == [
        "stopped by boss",
        "ran for 1 hour 30 minutes, cost about 6 ¢",
        "kept: its machine is new",
    ]
    assert "    cpu: 1.5" in told
    newest = json.loads(cluster.run(workers, "history", "alice", "--last", "2", "--json").output)
    assert [one["kind"] for one in newest] == ["run", "decision"]
    assert (newest[0]["seconds"], newest[0]["cost"]) == (5400, 0.0624)


def test_the_history_of_an_unknown_worker_is_refused_with_a_near_name(cluster: Built) -> None:
    cluster.worker("alice")
    with pytest.raises(SettingsError, match="did you mean alice"):
        cluster.run(workers, "history", "alise")


def entry(key: str, cost: float | None) -> Entry:
    return Entry(
        key=key, at=TOKYO, kind=Kind.RUN, reason="idle", message=plain(""), instance_id="i", cost=cost
    )


def record(key: str, **fields: Any) -> Worker:
    begin: dict[str, Any] = {"state": State.STOPPED, "state_at": TOKYO, "version": 1, "changed_at": TOKYO}
    return Worker(**{"key": key, "instance_id": f"i-{key}", **begin, **fields})


def test_costs_are_this_months_runs_and_the_one_that_goes_on() -> None:
    since = datetime(2026, 10, 30, tzinfo=UTC)
    long = record("long", state=State.RUNNING, started_at=since, instance_type="t3.medium", zone="us-east-1a")
    records = [record("alice"), record("bob"), long]
    entries = [entry("alice", 1.0), entry("alice", 0.5), entry("bob", None)]
    costs = {one.key: one.cost for one in joined(records, [], entries, TOKYO)}
    assert costs == {"alice": 1.5, "bob": None, "long": pytest.approx(0.0416 * (22 * 24 + 12), rel=1e-3)}
    assert days_of_month(TOKYO)[::22] == ["2026-11-01", "2026-11-23"]


def test_a_stop_is_asked_of_the_app_and_ec2_is_left_alone(cluster: Built) -> None:
    read = requests_seen()
    alice = cluster.worker("alice")
    cluster.worker("bob")
    assert cluster.run(workers, "stop", "alice", "--no-wait").exit_code == 0
    [event] = read()
    assert event["detail-type"] == "Stop Requested"
    assert event["detail"]["worker"] == "alice"
    assert event["detail"]["instance_id"] == alice.instance_id
    assert set(cluster.states().values()) == {"running"}


def test_a_stop_that_is_not_granted_is_reported(cluster: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.worker("alice")
    cluster.worker("bob")
    app_stops(cluster, monkeypatch, "bob")
    monkeypatch.setattr(stopping, "STOPS_WITHIN", 0.1)
    with pytest.raises(StepFailed, match=r"still not stopped: bob:"):
        cluster.run(workers, "stop", "--all", "--yes")


def test_no_name_means_no_worker(cluster: Built) -> None:
    cluster.worker("alice")
    for command in ("stop", "terminate"):
        with pytest.raises(SettingsError, match="--all"):
            cluster.run(workers, command, "--yes")
        with pytest.raises(SettingsError, match="not both"):
            cluster.run(workers, command, "alice", "--all", "--yes")
        with pytest.raises(SettingsError, match="did you mean alice"):
            cluster.run(workers, command, "alcie", "--yes")
    assert set(cluster.states().values()) == {"running"}


def test_a_dry_run_does_nothing(cluster: Built) -> None:
    read = requests_seen()
    cluster.worker("alice")
    assert "would stop alice" in cluster.run(workers, "stop", "--all", "--dry-run").output
    assert "would terminate alice" in cluster.run(workers, "terminate", "--all", "--dry-run").output
    assert read() == []
    assert set(cluster.states().values()) == {"running"}


def test_one_worker_is_stopped_then_terminated_and_its_home_kept(
    cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    app_stops(cluster, monkeypatch)
    alice, bob = cluster.worker("alice"), cluster.worker("bob")
    result = cluster.run(workers, "terminate", "alice", typed="y\n")
    assert result.exit_code == 0, result.output
    assert cluster.states() == {alice.instance_id: "terminated", bob.instance_id: "running"}
    left = cluster.store.get("alice")
    assert left is not None
    assert left.state is State.TERMINATED
    assert left.home_volume == alice.home_volume
    assert cluster.ec2.describe_volumes(VolumeIds=[str(alice.home_volume)])["Volumes"]


def test_all_means_all_of_this_cluster_and_asks_for_its_name(cluster: Built) -> None:
    mine = {cluster.worker(name, state=State.STOPPED).instance_id for name in ("alice", "bob")}
    others = {
        cluster.instance("alice", cluster="autumn", stopped=True),
        cluster.instance("manager", role="manager", stopped=True),
    }
    with pytest.raises(Refused, match="nothing was changed"):
        cluster.run(workers, "terminate", "--all", typed="autumn\n")
    assert set(cluster.states().values()) == {"stopped"}
    cluster.run(workers, "terminate", "--all", typed="spring\n")
    states = cluster.states()
    assert {states[one] for one in mine} == {"terminated"}
    assert {states[one] for one in others} == {"stopped"}


def test_nothing_to_terminate_terminates_nothing(cluster: Built) -> None:
    stranger = cluster.instance("alice", cluster="autumn", stopped=True)
    assert "nothing to terminate" in cluster.run(workers, "terminate", "--all", "--yes").output
    assert cluster.states() == {stranger: "stopped"}


def test_homes_go_only_if_that_is_said_also_of_machines_that_are_gone(cluster: Built) -> None:
    alice = cluster.worker("alice", state=State.STOPPED)
    cluster.run(workers, "terminate", "alice", "--yes")
    assert "nothing to terminate" in cluster.run(workers, "terminate", "alice", "--yes").output
    said = cluster.run(workers, "terminate", "alice", "--with-home", "--dry-run").output
    assert f"DELETE its home disk {alice.home_volume}" in said
    cluster.run(workers, "terminate", "alice", "--with-home", "--yes")
    volumes = [one["VolumeId"] for one in cluster.ec2.describe_volumes()["Volumes"]]
    assert alice.home_volume not in volumes
    left = cluster.store.get("alice")
    assert left is not None
    assert left.home_volume is None


def test_a_home_of_another_cluster_stops_everything(cluster: Built) -> None:
    stranger = cluster.home_of(cluster.instance("alice", cluster="autumn"))
    alice = cluster.worker("alice", state=State.STOPPED)
    cluster.store.put(replace(alice, home_volume=stranger), NOW)
    with pytest.raises(Refused, match="nothing was terminated"):
        cluster.run(workers, "terminate", "alice", "--with-home", "--yes")
    assert cluster.states()[alice.instance_id] == "stopped"


def test_a_home_on_the_root_disk_goes_only_if_that_is_said(cluster: Built) -> None:
    alice = cluster.worker("alice", state=State.STOPPED)
    cluster.store.put(replace(alice, home_volume=None), NOW)
    with pytest.raises(Refused, match=r"alice.*--with-home"):
        cluster.run(workers, "terminate", "alice", "--yes")
    assert cluster.states() == {alice.instance_id: "stopped"}
    cluster.run(workers, "terminate", "alice", "--with-home", "--yes")
    assert cluster.states() == {alice.instance_id: "terminated"}


def test_a_machine_without_a_record_goes_too_and_its_home_stays(cluster: Built) -> None:
    orphan = cluster.instance("carol", stopped=True)
    home = cluster.home_of(orphan)
    cluster.run(workers, "terminate", "carol", "--yes")
    assert cluster.states() == {orphan: "terminated"}
    assert cluster.ec2.describe_volumes(VolumeIds=[home])["Volumes"]


def test_whoever_is_started_meanwhile_is_not_terminated(
    cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = cluster.worker("alice", state=State.STOPPED), cluster.worker("bob", state=State.STOPPED)

    def a_login(*_: object) -> None:
        cluster.ec2.start_instances(InstanceIds=[bob.instance_id])

    monkeypatch.setattr(termination, "stop", a_login)
    with pytest.raises(StepFailed, match="bob"):
        cluster.run(workers, "terminate", "--all", "--yes")
    assert cluster.states() == {alice.instance_id: "terminated", bob.instance_id: "running"}


def test_a_login_at_that_instant_keeps_its_machine_or_waits(
    cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob's login writes its record just before the claim; alice's finds the claim while her machine ends."""
    alice, bob = cluster.worker("alice", state=State.STOPPED), cluster.worker("bob", state=State.STOPPED)
    seen: list[Worker | None] = []
    end, put = instances.end, WorkerStore.put

    def end_seen(aws: Aws, ids: Sequence[str], name: str, **only: Any) -> list[str]:
        seen.append(cluster.store.get("alice"))
        return end(aws, ids, name, **only)

    def put_late(store: WorkerStore, worker: Worker, now: datetime) -> Worker:
        if worker.key == "bob" and worker.claimed_until:
            put(store, replace(bob, state=State.PENDING), now)
        return put(store, worker, now)

    monkeypatch.setattr(instances, "end", end_seen)
    monkeypatch.setattr(WorkerStore, "put", put_late)
    with pytest.raises(StepFailed, match="bob"):
        cluster.run(workers, "terminate", "--all", "--yes")
    assert cluster.states() == {alice.instance_id: "terminated", bob.instance_id: "stopped"}
    [during] = seen
    assert during is not None
    assert during.is_claimed(NOW)
    after = cluster.store.get("alice")
    assert after is not None
    assert (after.state, after.claimed_until) == (State.TERMINATED, None)


def test_a_worker_is_kept_until_a_time_and_no_longer(cluster: Built) -> None:
    cluster.worker("alice", due_at=NOW + timedelta(hours=5))
    cluster.run(workers, "keep", "alice", "--until", "2h", "--dry-run")
    before = cluster.store.get("alice")
    assert before is not None
    assert before.keep_until is None
    cluster.run(workers, "keep", "alice", "--until", "2h")
    during = cluster.store.get("alice")
    assert during is not None
    assert during.keep_until is not None
    assert timedelta(hours=1) < during.keep_until - NOW < timedelta(hours=3)
    operator = cluster.site.aws.caller.rpartition("/")[2]
    assert during.keep_by == operator
    assert f"by {operator}" in " ".join(cluster.run(workers, "list").output.split())
    cluster.run(workers, "keep", "alice", "--until", "none")
    after = cluster.store.get("alice")
    assert after is not None
    assert (after.keep_until, after.keep_by) == (None, "")
    with pytest.raises(NotBuilt, match="zoe"):
        cluster.run(workers, "keep", "zoe", "--until", "2h")


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("90m", TOKYO + timedelta(minutes=90)),
        ("1d12h", TOKYO + timedelta(hours=36)),
        ("2026-12-01T18:00+09:00", datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ("none", None),
    ],
)
def test_a_time_is_a_duration_or_a_date(text: str, until: datetime | None) -> None:
    assert moment(text, TOKYO) == until


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-11-01T10:00+00:00",
        "0",
        "2026-13-01",
        "367d",
        "99999999d",
        "9999-12-31T23:59-12:00",
        "",
    ],
)
def test_a_time_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="keep_until"):
        moment(text, TOKYO)


def test_a_worker_that_is_kept_no_longer_is_looked_at_by_the_next_sweep() -> None:
    worker = record("alice", state=State.RUNNING, due_at=TOKYO + timedelta(hours=9))
    assert kept(worker, TOKYO + timedelta(hours=2), "boss", TOKYO).due_at == TOKYO + timedelta(hours=9)
    assert kept(worker, None, "boss", TOKYO).due_at == TOKYO


def test_a_stopped_worker_is_renewed_and_keeps_its_home(cluster: Built) -> None:
    alice = cluster.worker("alice", state=State.STOPPED)
    boto3.client("dynamodb", region_name=REGION).put_item(
        TableName="cloudjhub-spring-settings", Item={"scope": {"S": "image"}, "image": {"S": "ami-newer"}}
    )
    assert "alice: renewed" in cluster.run(workers, "renew", "--dry-run").output
    assert cluster.states() == {alice.instance_id: "stopped"}
    told = cluster.run(workers, "renew", "--json").stdout
    assert json.loads(told)["alice"]["becomes"] == "RENEW"
    assert cluster.states() == {alice.instance_id: "terminated"}
    left = cluster.store.get("alice")
    assert left is not None
    assert left.home_volume == alice.home_volume


def test_commands_tell_scripts_whom_they_concern(cluster: Built) -> None:
    """Nothing but JSON is on standard output."""
    alice = cluster.worker("alice", state=State.STOPPED)
    assert json.loads(cluster.run(workers, "stop", "--all", "--json").stdout) == []
    would = json.loads(cluster.run(workers, "terminate", "alice", "--dry-run", "--json").stdout)
    assert cluster.states() == {alice.instance_id: "stopped"}
    done = json.loads(cluster.run(workers, "terminate", "alice", "--yes", "--json").stdout)
    assert done == would
    assert done == [{"worker": "alice", "instance_id": alice.instance_id, "home_volume": alice.home_volume}]
    assert cluster.states() == {alice.instance_id: "terminated"}
    cluster.worker("bob")
    told = json.loads(cluster.run(workers, "keep", "bob", "--until", "2h", "--json").stdout)
    kept_until = cluster.store.get("bob")
    assert kept_until is not None
    assert kept_until.keep_until is not None
    assert abs(datetime.fromisoformat(told["keep_until"]) - kept_until.keep_until) < timedelta(seconds=1)
