"""What evidence says about an assumption, and what a report of it contains."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from bootstrap.operations.verify import judging, redaction, report
from bootstrap.operations.verify.checks import is_aws
from bootstrap.operations.verify.verdict import Observation, Verdict, confirmed, refuted

YES, NO, UNSEEN = Verdict.CONFIRMED, Verdict.REFUTED, Verdict.NOT_OBSERVED
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ASKED = partial(judging.as_asked, none="nothing")
SOME = partial(judging.some, what="lines")
THERE = partial(judging.all_there, what="parameters")
ROOT = {"root": True, "goes_with_it": True, "encrypted": True}
HOME = {"root": False, "goes_with_it": False, "encrypted": True}
RULE: dict[str, Any] = {"state": "ENABLED", "targets": ["arn:aws:lambda:eu-west-1:123456789012:function:f"]}
IMDS = {"tokens": "required", "hops": 1, "reports": 3}
LIMIT = {"timeout": 60, "runs": 2, "seconds": 54.0, "memory": 0.9}
UNKNOWN = {"known": "i-1", "unknown": "i-2", "code": "InvalidInstanceID.NotFound", "message": "no 'i-2'"}
IMPORT = {"architecture": "arm64", "runs": 1, "failed": []}


def backups(oldest: int, manager: int) -> dict[str, str]:
    """Ages in days; no backup for a negative one."""
    ages = {"oldest": oldest, "since": manager}
    times = {name: (NOW - timedelta(days=age)).isoformat() if age >= 0 else "" for name, age in ages.items()}
    return {**times, "now": NOW.isoformat()}


@pytest.mark.parametrize(
    ("judge", "evidence", "verdict"),
    [
        (judging.changes, {"changes": {}, "built": False}, YES),
        (judging.changes, {"changes": {"data": ["change x"]}, "built": True}, NO),
        (judging.changes, {"changes": {"data": ["change x"]}, "built": False}, UNSEEN),
        (ASKED, {}, UNSEEN),
        (ASKED, {"a": {"wanted": {"Period": 30}, "found": {"Period": 30, "More": 1}}}, YES),
        (ASKED, {"a": {"wanted": {"Period": 30}, "found": {"Period": 60}}}, NO),
        (judging.rules, {"f": RULE}, YES),
        (judging.rules, {"f": {**RULE, "state": "DISABLED"}}, NO),
        (judging.rules, {"f": {**RULE, "targets": RULE["targets"] * 2}}, NO),
        (judging.rules, {"g": RULE}, NO),
        (judging.disks, {}, UNSEEN),
        (judging.disks, {"i-1": [ROOT, HOME]}, YES),
        (judging.disks, {"i-1": [ROOT, {**HOME, "goes_with_it": True}]}, NO),
        (judging.disks, {"i-1": [{**ROOT, "goes_with_it": False}, HOME]}, NO),
        (judging.disks, {"i-1": [ROOT, {**HOME, "encrypted": False}]}, NO),
        (judging.retention, {}, UNSEEN),
        (judging.retention, {"/a": 30}, YES),
        (judging.retention, {"/a": 30, "/b": None}, NO),
        (judging.secret_types, {}, UNSEEN),
        (judging.secret_types, {"/a": {"type": "SecureString", "key": "alias/aws/ssm", "own": ""}}, YES),
        (judging.secret_types, {"/a": {"type": "SecureString", "key": "ours", "own": "ours"}}, YES),
        (judging.secret_types, {"/a": {"type": "SecureString", "key": "another", "own": "ours"}}, NO),
        (judging.secret_types, {"/a": {"type": "String", "key": "", "own": ""}}, NO),
        (judging.stops_by_alarm, {}, UNSEEN),
        (judging.stops_by_alarm, {"cloudjhub-a-sweep": 3}, UNSEEN),
        (judging.stops_by_alarm, {"cloudjhub-a-sweep": 3, "cloudjhub-a-idle_alarm": 1}, YES),
        (judging.functions_named, {}, UNSEEN),
        (judging.functions_named, {"cloudjhub-a-sweep": 1}, YES),
        (judging.functions_named, {"cloudjhub-a-sweep": 1, "": 1}, NO),
        (judging.sample_counts, {"i-1": [1.0] * 9}, UNSEEN),
        (judging.sample_counts, {"i-1": [1.0] * 10}, YES),
        (judging.sample_counts, {"i-1": [1.0] * 9 + [0.0]}, NO),
        (judging.sample_counts, {"i-1": [1.0] * 49 + [2.0]}, YES),
        (judging.idle_cpu, {"i-1": {"levels": [0, 0], "cpu": []}}, UNSEEN),
        (judging.idle_cpu, {"i-1": {"levels": [0, 2], "cpu": [50.0]}}, UNSEEN),
        (judging.idle_cpu, {"i-1": {"levels": [0, 0], "cpu": [0.5, 2.9]}}, YES),
        (judging.idle_cpu, {"i-1": {"levels": [0, 0], "cpu": [0.5, 3.0]}}, NO),
        (judging.unknown_instance, {}, UNSEEN),
        (judging.unknown_instance, UNKNOWN, YES),
        (judging.unknown_instance, {**UNKNOWN, "message": "no"}, NO),
        (judging.unknown_instance, {**UNKNOWN, "message": "no i-1, i-2"}, NO),
        (judging.unknown_instance, {**UNKNOWN, "code": ""}, NO),
        (judging.metadata_options, {}, UNSEEN),
        (judging.metadata_options, {"i-1": IMDS}, YES),
        (judging.metadata_options, {"i-1": {**IMDS, "reports": 0}}, UNSEEN),
        (judging.metadata_options, {"i-1": {**IMDS, "hops": 2}}, NO),
        (judging.metadata_options, {"i-1": {**IMDS, "tokens": "optional"}}, NO),
        (judging.tags, {"bucket": "mine"}, YES),
        (judging.tags, {"bucket": "mine", "role r": None}, NO),
        (judging.log_groups_first, {"f": {"days": None, "ran": False}}, UNSEEN),
        (judging.log_groups_first, {"f": {"days": 30, "ran": True}}, YES),
        (judging.log_groups_first, {"f": {"days": None, "ran": True}}, NO),
        (THERE, {"a": "ami-1"}, YES),
        (THERE, {"a": "ami-1", "b": None}, NO),
        (judging.image_encrypted, [], UNSEEN),
        (judging.image_encrypted, [True], YES),
        (judging.image_encrypted, [True, False], NO),
        (judging.hub_runs, {"version": "6.1.1", "trouble": ""}, YES),
        (judging.hub_runs, {"version": "", "trouble": "nothing listens there"}, UNSEEN),
        (SOME, {"count": 0}, UNSEEN),
        (SOME, {"count": 1}, YES),
        (judging.recovery, {}, UNSEEN),
        (judging.recovery, {"i-1": "default"}, YES),
        (judging.recovery, {"i-1": "disabled"}, NO),
        (judging.quotas, {"L-1": {"wanted": "Standard", "name": "Running On-Demand Standard"}}, YES),
        (judging.quotas, {"L-1": {"wanted": "Standard", "name": "Running On-Demand G"}}, NO),
        (judging.backup_ages, backups(-1, 20), UNSEEN),
        (judging.backup_ages, backups(14, 16), UNSEEN),
        (judging.backup_ages, backups(16, 17), YES),
        (judging.backup_ages, backups(17, 17), NO),
        (judging.near_limits, {"f": {**LIMIT, "runs": 0}}, UNSEEN),
        (judging.near_limits, {"f": LIMIT}, YES),
        (judging.near_limits, {"f": {**LIMIT, "seconds": 54.1}}, NO),
        (judging.near_limits, {"f": {**LIMIT, "memory": 0.91}}, NO),
        (judging.imports, {"f": {**IMPORT, "runs": 0}}, UNSEEN),
        (judging.imports, {"f": IMPORT}, YES),
        (judging.imports, {"f": {**IMPORT, "failed": ["Runtime.ImportModuleError"]}}, NO),
    ],
)
def test_verdicts(judge: Callable[[Any], Any], evidence: Any, verdict: Verdict) -> None:
    judged = judge(evidence)
    assert judged.verdict is verdict
    assert judged.message


def test_the_runs_of_a_log() -> None:
    """By the line that Lambda writes after each run; others are left out."""
    line = (
        "REPORT RequestId: 3f1a\tDuration: 1234.50 ms\tBilled Duration: 1235 ms\tMemory Size: 256 MB\t"
        "Max Memory Used: 64 MB\tInit Duration: 401.20 ms\t"
    )
    assert judging.runs_in(["START RequestId: 3f1a", line]) == [{"seconds": 1.2345, "memory": 0.25}]


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://ec2.eu-west-1.amazonaws.com", True),
        ("https://ec2.cn-north-1.amazonaws.com.cn", True),
        ("http://127.0.0.1:4566", False),
        ("https://amazonaws.com.example.org", False),
    ],
)
def test_aws_by_its_host(endpoint: str, expected: bool) -> None:
    assert is_aws(endpoint) is expected


SECRETS = (
    "arn:aws:sts::123456789012:assumed-role/Admin/ada@example.org",
    "arn:aws:iam::123456789012:user/ada",
    "cloudjhub-spring-123456789012-eu-west-1",
    "key AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE",
    "the hub at 203.0.113.7",
)


@pytest.mark.parametrize("text", SECRETS)
def test_no_account_key_identity_or_address_is_left(text: str) -> None:
    for secret in ("123456789012", "ada", "AKIA", "ASIA", "203.0.113"):
        assert secret not in redaction.redacted(text)


@pytest.mark.parametrize(
    "text", ["arn:aws:iam::<account>:role/x", "i-0123456789abcdef0", "1234567890123", "6.1.1"]
)
def test_the_rest_is_left_as_it_is(text: str) -> None:
    assert redaction.redacted(text) == text


def test_evidence_is_redacted_and_bounded_at_every_depth() -> None:
    long = {
        f"{SECRETS[0]}{number}": [SECRETS[2], 123456789012, {"a": SECRETS[3] * 50}] for number in range(50)
    }
    text = json.dumps(redaction.shareable(long))
    assert len(text) < 2 * redaction.LONGEST_EVIDENCE
    assert "123456789012" not in text
    assert "IOSFODNN7" not in text
    assert redaction.shareable(list(range(41)))[-1] == {"left out": 1}
    assert redaction.shareable({"count": 3, "is": None}) == {"count": 3, "is": None}


def run(*observed: Observation, failed: str = "", on_aws: bool = True) -> report.Run:
    return report.Run(
        cluster="spring", region="eu-west-1", version="1.0", began=NOW, ended=NOW, on_aws=on_aws,
        observed=observed, steps=[("up", 61.04)], failed=failed,
    )  # fmt: skip


def test_a_report_has_every_assumption_and_what_was_seen() -> None:
    seen = Observation("rules-kept", refuted(f"by {SECRETS[0]} | it"), {"role": SECRETS[1]})
    document = report.document(run(seen, Observation("disks-kept", confirmed("they are")), failed=SECRETS[2]))
    rows = {row["id"]: row for row in document["assumptions"]}
    assert document["counts"] == {"refuted": 1, "confirmed": 1, "not observed": len(rows) - 2}
    assert document["seconds"] == [{"step": "up", "seconds": 61.0}]
    assert rows["rules-kept"]["verdict"] == "refuted"
    assert rows["macos"]["message"] == "only by hand"
    text = report.markdown(document)
    assert "1 confirmed, 1 refuted" in text
    assert "| up | 61.0 |" in text
    assert "\\| it" in text
    assert "The run did not come to its end" in text
    assert report.EMULATED not in text
    for secret in ("123456789012", "ada@"):
        assert secret not in text + json.dumps(document)


def test_an_emulators_report_says_so() -> None:
    assert report.EMULATED in report.markdown(report.document(run(on_aws=False)))
