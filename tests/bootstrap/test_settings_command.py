"""`settings`: the policy read with its sources, changed with warnings, checked by the lifecycle app's own rules."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bootstrap.cli.options import NameValue
from bootstrap.cli.settings import settings
from bootstrap.errors import NotBuilt, SettingsError, StepFailed
from bootstrap.operations import policies
from lifecycle_app.model import policy_words
from lifecycle_app.model.worker import State
from tests.bootstrap.clusters import NOW, Built, built


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Built]:
    with built(monkeypatch, tmp_path) as made:
        yield made


def changed(before: str | None, *arguments: str, unset: tuple[str, ...] = ()) -> dict[str, object]:
    return policies.changed(
        "cluster", before, [NameValue("a=b").convert(argument, None, None) for argument in arguments], unset
    )


@pytest.mark.parametrize(
    ("argument", "document"),
    [
        ("idle_timeout=90m", {"idle_timeout": 5400}),
        ("idle_timeout=1h30m", {"idle_timeout": 5400}),
        ("busy_allowance=never", {"busy_allowance": None}),
        ("max_lifetime=2d", {"max_lifetime": 172800}),
        ("keep_limit=8h", {"keep_limit": 28800}),
        ("keep_limit=0s", {"keep_limit": 0}),
        ("budget_hours=40", {"budget_hours": 40}),
        ("budget_hours=unlimited", {"budget_hours": None}),
        ("budget_dollars=2.50", {"budget_dollars": 2.5}),
        ("budget_grace=10m", {"budget_grace": 600}),
        ("budget_stops_work=true", {"budget_stops_work": True}),
        ("shared_budget_hours=500", {"shared_budget_hours": 500}),
        ("shared_budget_dollars=unlimited", {"shared_budget_dollars": None}),
        ("hung_cpu=2.5", {"hung_cpu": 2.5}),
        ("signals=work,interaction", {"signals": ["work", "interaction"]}),
        ("signals=[load]", {"signals": ["load"]}),
        ("ignored_signals=apps, cpu", {"ignored_signals": ["apps", "cpu"]}),
        ("ignored_signals=none", {"ignored_signals": []}),
    ],
)
def test_a_value_is_written_as_people_write_it(argument: str, document: dict[str, object]) -> None:
    assert changed(None, argument) == document


@pytest.mark.parametrize(
    ("argument", "fix"),
    [
        ("idle_timeot=1h", "did you mean idle_timeout"),
        ("colour=red", "there are idle_timeout"),
        ("idle_timeout=30", "give a unit: idle_timeout=30s, 30m or 30h"),
        ("start_grace=0", "give a unit"),
        ("idle_timeout=soon", "90s, 15m, 1h"),
        ("idle_timeout=0s", "from 1 to"),
        ("idle_timeout=never", "not a duration"),
        ("budget_hours=40h", "must be hours a month from 0 to 100000, not '40h'"),
        ("budget_dollars=-1", "must be US dollars a month from 0"),
        ("budget_grace=10", "give a unit"),
        ("budget_stops_work=sometimes", "must be true or false"),
        ("hung_cpu=200", "percentage"),
        ("signals=dance", "unknown signal"),
        ("idle_timeout=9999d", "from 1 to"),
    ],
)
def test_what_cannot_be_is_refused_with_the_fix(argument: str, fix: str) -> None:
    with pytest.raises(SettingsError, match=fix):
        changed(None, argument)


def test_the_rest_stays_and_what_cannot_be_used_goes() -> None:
    before = json.dumps({"idle_timeout": 60, "hung_cpu": "?", "max_lifetime": 900})
    assert changed(before, "idle_timeout=2h") == {"idle_timeout": 7200, "max_lifetime": 900}
    assert changed(before, unset=("max_lifetime",)) == {"idle_timeout": 60}
    assert changed("not JSON", "idle_timeout=2h") == {"idle_timeout": 7200}
    with pytest.raises(SettingsError, match="did you mean"):
        changed(before, unset=("max_lifetme",))


def test_what_holds_for_a_user_is_told_with_its_source() -> None:
    found = {
        "cluster": '{"idle_timeout": 600, "hung_cpu": 1}',
        "group/a": '{"idle_timeout": 1200}',
        "group/b": '{"idle_timeout": 900}',
        "user/alice": '{"max_lifetime": 3600}',
    }
    rows = {row.name: row for row in policy_words.effective("alice", ("a", "b"), found)}
    assert (rows["idle_timeout"].value, rows["idle_timeout"].scope) == (timedelta(minutes=20), "group/a")
    assert rows["max_lifetime"].scope == "user/alice"
    assert rows["hung_cpu"].scope == "cluster"
    assert rows["start_grace"].scope == "default"


def test_the_policy_is_set_and_read_for_everyone_a_group_and_a_user(cluster: Built) -> None:
    cluster.worker("alice", groups=("physics",))
    said = cluster.run(settings, "set", "idle_timeout=90m").output
    assert "cluster: idle_timeout=90 min" in said
    assert "within a minute" in said
    cluster.run(settings, "set", "--group", "physics", "busy_allowance=never")
    cluster.run(settings, "set", "--user", "alice", "signals=work", "hung_cpu=1")
    assert policies.store(cluster.site).policies(["cluster"]) == {"cluster": '{"idle_timeout": 5400}'}
    found = json.loads(cluster.run(settings, "get", "user/alice", "--json").output)
    assert found["idle_timeout"] == {"value": 5400.0, "from": "cluster"}
    assert found["busy_allowance"] == {"value": None, "from": "group/physics"}
    assert found["signals"] == {"value": ["work", "interaction"], "from": "user/alice"}
    everything = cluster.run(settings, "get").output
    assert "group/physics: busy_allowance=never" in everything
    assert "90 min" in everything
    assert json.loads(cluster.run(settings, "get", "--json").output)["group/physics"] == {
        "busy_allowance": None
    }


def test_a_budget_that_users_share_is_of_a_group_or_the_cluster(cluster: Built) -> None:
    cluster.worker("alice", groups=("physics",))
    cluster.run(settings, "set", "shared_budget_hours=1000")
    cluster.run(settings, "set", "--group", "physics", "shared_budget_hours=100")
    with pytest.raises(SettingsError, match=r"a user shares no budget.*Give budget_hours"):
        cluster.run(settings, "set", "--user", "alice", "shared_budget_hours=9")
    found = json.loads(cluster.run(settings, "get", "user/alice", "--json").output)
    assert found["shared_budget_hours"] == {"value": 1000.0, "from": "cluster"}
    assert found["group_budgets"] == {"group/physics": {"shared_budget_hours": 100.0}}
    rows = [line.split() for line in cluster.run(settings, "get", "user/alice").output.splitlines()]
    assert [row for row in rows if row[0].startswith("shared_")] == [
        ["shared_budget_hours", "1000", "cluster"],
        ["shared_budget_dollars", "unlimited", "default"],
        ["shared_budget_hours", "100", "group/physics"],
    ]


def test_a_users_name_is_spelt_as_the_hub_keeps_it(cluster: Built) -> None:
    """The lifecycle app looks for `user/alice`: another spelling would be kept and never hold."""
    cluster.run(settings, "set", "--user", "Alice", "idle_timeout=2h")
    assert policies.store(cluster.site).policies(["user/alice"]) == {"user/alice": '{"idle_timeout": 7200}'}
    found = json.loads(cluster.run(settings, "get", "user/ALICE", "--json").output)
    assert found["idle_timeout"]["from"] == "user/alice"
    with pytest.raises(SettingsError, match="'a/b'"):
        cluster.run(settings, "set", "--user", "a/b", "idle_timeout=2h")


def test_what_is_taken_back_is_gone(cluster: Built) -> None:
    cluster.run(settings, "set", "--user", "alice", "hung_cpu=1")
    cluster.run(settings, "set", "--user", "alice", "--unset", "hung_cpu")
    assert policies.store(cluster.site).policies(["user/alice"]) == {}
    cluster.run(settings, "set", "--user", "alice", "hung_cpu=2")
    assert policies.store(cluster.site).policies(["user/alice"]) == {"user/alice": '{"hung_cpu": 2}'}


def test_a_dry_run_warns_and_changes_nothing(cluster: Built) -> None:
    cluster.worker("alice", last_activity=NOW - timedelta(minutes=40))
    cluster.worker("bob", last_activity=NOW)
    result = cluster.run(settings, "set", "idle_timeout=30m", "--dry-run")
    # The minutes go on while a slow machine runs the test.
    assert re.search(r"alice has been idle for \d+ min and will be stopped at the next sweep", result.stderr)
    assert "bob" not in result.stderr
    assert "would set" in result.stdout
    assert policies.store(cluster.site).policies(["cluster"]) == {}


def test_only_what_the_change_stops_is_warned_about(cluster: Built) -> None:
    idle = NOW - timedelta(minutes=40)
    workers = [
        cluster.worker("alice", last_activity=idle),
        cluster.worker("kept", last_activity=idle, keep_until=NOW + timedelta(hours=1)),
        cluster.worker("young", minutes=5),
        cluster.worker("stopped", state=State.STOPPED, last_activity=idle),
        cluster.worker("over", last_activity=NOW - timedelta(hours=2), minutes=300),
        cluster.worker("own", last_activity=idle),
    ]
    before = {"user/own": '{"idle_timeout": 7200}'}
    after = {**before, "cluster": '{"idle_timeout": 1800}'}
    assert [key for key, _ in policies.stopping_now(workers, before, after, NOW)] == ["alice"]


def test_two_who_change_the_same_do_not_lose_a_change(cluster: Built) -> None:
    cluster.run(settings, "set", "idle_timeout=90m")
    with pytest.raises(StepFailed, match="another operator"):
        policies.write(cluster.site, "cluster", None, {"idle_timeout": 60}, NOW)
    with pytest.raises(StepFailed, match="another operator"):
        policies.write(cluster.site, "cluster", "{}", {}, NOW)


def test_a_users_workers_are_kept_running(cluster: Built) -> None:
    cluster.worker("alice")
    cluster.worker("alice/gpu")
    cluster.worker("bob")
    said = cluster.run(settings, "set", "--user", "alice", "keep_until=2h").output
    assert "alice/gpu is kept running until" in said
    kept = {one.key for one in cluster.store.all_workers() if one.keep_until}
    assert kept == {"alice", "alice/gpu"}
    with pytest.raises(SettingsError, match="--user"):
        cluster.run(settings, "set", "keep_until=2h")
    with pytest.raises(NotBuilt, match="zoe"):
        cluster.run(settings, "set", "--user", "zoe", "keep_until=2h")


def test_it_is_said_what_to_say(cluster: Built) -> None:
    with pytest.raises(SettingsError, match="nothing to set"):
        cluster.run(settings, "set")
    with pytest.raises(SettingsError, match="cannot be combined"):
        cluster.run(settings, "set", "--user", "a", "--group", "b", "hung_cpu=1")
    with pytest.raises(SettingsError, match="no scope 'alice'"):
        cluster.run(settings, "get", "alice")


def test_a_cluster_that_is_not_built_is_named(cluster: Built) -> None:
    cluster.file.write_text(cluster.file.read_text().replace("spring", "autumn"))
    with pytest.raises(NotBuilt, match=r"autumn .*cloudjhub up"):
        cluster.run(settings, "get")


def test_what_is_set_is_printed_for_scripts(cluster: Built) -> None:
    told = json.loads(cluster.run(settings, "set", "idle_timeout=90m", "--dry-run", "--json").stdout)
    assert told == {"cluster": {"idle_timeout": 5400}}
    assert policies.store(cluster.site).policies(["cluster"]) == {}
    assert json.loads(cluster.run(settings, "set", "idle_timeout=90m", "--json").stdout) == told
    assert policies.store(cluster.site).policies(["cluster"]) == {"cluster": '{"idle_timeout": 5400}'}
