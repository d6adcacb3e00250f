"""What evidence says about an assumption. Pure: `reading.py` has the evidence's shape beside what reads it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bootstrap.operations.verify.verdict import Judged, confirmed, not_observed, refuted

NEAR_LIMIT = 0.9
"""A function that uses more than this share of its memory or time is too near its limit."""
EXPIRE_WITHIN = timedelta(days=16)
"""Backups expire after 14 days; S3 removes what has expired within a day or two."""
QUIET, BUSY_CPU = 0, 3.0
NO_ALARM = "there is no idle alarm: start a server, then verify again"
NO_WORKER = "no worker runs: start a server, then verify again"


def changes(evidence: Mapping[str, Any]) -> Judged:
    """{changes: {step: [line]}, built: whether `up` has just ended}."""
    found = evidence["changes"]
    if not found:
        return confirmed("`up` would change nothing")
    if evidence["built"]:
        return refuted(f"right after `up`, it would change {', '.join(sorted(found))}")
    return not_observed(
        f"`up` would change {', '.join(sorted(found))}, perhaps by settings since the last one: "
        "run `cloudjhub up`, then verify again"
    )


def as_asked(evidence: Mapping[str, Mapping[str, Any]], none: str) -> Judged:
    """{name: {wanted: {...}, found: {...}}}: what is found has all that was wanted."""
    if not evidence:
        return not_observed(none)
    wrong = [
        f"{name}: {key} is {one['found'].get(key)!r}, not {value!r}"
        for name, one in evidence.items()
        for key, value in one["wanted"].items()
        if one["found"].get(key) != value
    ]
    return refuted(_listed(wrong)) if wrong else confirmed(f"all of {len(evidence)} are as asked for")


def rules(evidence: Mapping[str, Mapping[str, Any]]) -> Judged:
    """{function: {state, targets: [ARN]}}."""
    wrong = [
        f"{function}: {one['state'] or 'no rule'}, {len(one['targets'])} targets"
        for function, one in evidence.items()
        if one["state"] != "ENABLED" or [target.rpartition(":")[2] for target in one["targets"]] != [function]
    ]
    return refuted(_listed(wrong)) if wrong else confirmed(f"all of {len(evidence)} rules are as asked for")


def disks(evidence: Mapping[str, Sequence[Mapping[str, Any]]]) -> Judged:
    """{instance: [{root, goes_with_it, encrypted}]}."""
    if not evidence:
        return not_observed("there is no worker with an instance")
    wrong = [
        f"{instance}: {'root' if disk['root'] else 'home'} disk goes with it: {disk['goes_with_it']}, "
        f"encrypted: {disk['encrypted']}"
        for instance, of_it in evidence.items()
        for disk in of_it
        if disk["root"] != disk["goes_with_it"] or not disk["encrypted"]
    ]
    return refuted(_listed(wrong)) if wrong else confirmed(f"those of {len(evidence)} workers are")


def retention(evidence: Mapping[str, int | None]) -> Judged:
    """{log group: days, None without end}."""
    if not evidence:
        return not_observed("there is no log group of the cluster")
    wrong = [name for name, days in evidence.items() if not days]
    return refuted(f"kept without end: {_listed(wrong)}") if wrong else confirmed("all have one")


def secret_types(evidence: Mapping[str, Mapping[str, str]]) -> Judged:
    """{parameter: {type, key, own}}; `own`: the institution's key, which secrets from before it do not have."""
    if not evidence:
        return not_observed("there is no parameter of the cluster")
    wrong = [
        name
        for name, one in evidence.items()
        if one["type"] == "SecureString" and one["key"] not in ("alias/aws/ssm", one["own"])
    ]
    wrong += [name for name, one in evidence.items() if one["type"] != "SecureString"]
    return refuted(_listed(wrong)) if wrong else confirmed(f"all of {len(evidence)} are")


def stops_by_alarm(evidence: Mapping[str, int]) -> Judged:
    """{function: stops of the last day}."""
    count = sum(stops for function, stops in evidence.items() if function.endswith("-idle_alarm"))
    if count:
        return confirmed(f"{count} stops came by alarm, and idle alarms have no actions")
    return not_observed(f"no stop came by alarm, of {sum(evidence.values())} of the last day")


def functions_named(evidence: Mapping[str, int]) -> Judged:
    """{function: stops of the last day}; "" is one that the history does not name."""
    if not evidence:
        return not_observed("no machine was stopped in the last day")
    unnamed = evidence.get("", 0)
    return refuted(f"{unnamed} stops name none") if unnamed else confirmed("every stop names its function")


def sample_counts(evidence: Mapping[str, Sequence[float]]) -> Judged:
    """{instance: reports in each whole period of the last hour}."""
    counts = [count for of_it in evidence.values() for count in of_it]
    if len(counts) < 10:
        return not_observed(
            f"only {len(counts)} periods of workers: verify again when one has run for some minutes"
        )
    wrong = sum(count != 1 for count in counts)
    if wrong > len(counts) * 0.02:
        return refuted(f"{wrong} of {len(counts)} periods have no report, or more than one")
    return confirmed(f"{len(counts) - wrong} of {len(counts)} periods have one report")


def idle_cpu(evidence: Mapping[str, Mapping[str, Any]]) -> Judged:
    """{instance: {levels: [..], cpu: [percent]}} of the time that `hung_after` looks back on."""
    idle = {one: found for one, found in evidence.items() if found["cpu"] and set(found["levels"]) == {QUIET}}
    if not idle:
        return not_observed("no worker has been idle for half an hour with CPU figures for all of it")
    busy = [one for one, found in idle.items() if max(found["cpu"]) >= BUSY_CPU]
    return (
        refuted(f"idle, and above {BUSY_CPU:g} %: {_listed(busy)}") if busy else confirmed(f"of {len(idle)}")
    )


def unknown_instance(evidence: Mapping[str, Any]) -> Judged:
    """{known, unknown, code, message} of a DescribeInstanceStatus for both."""
    if not evidence:
        return not_observed("there is no instance to ask for")
    names_it = evidence["unknown"] in evidence["message"] and evidence["known"] not in evidence["message"]
    if evidence["code"] == "InvalidInstanceID.NotFound" and names_it:
        return confirmed("it fails as a whole and names the unknown id alone")
    return refuted(f"it answers {evidence['code'] or 'without an error'}: {evidence['message'][:120]}")


def metadata_options(evidence: Mapping[str, Mapping[str, Any]]) -> Judged:
    """{instance: {tokens, hops, reports}}: reports of the last hour, which need credentials."""
    if not evidence:
        return not_observed(NO_WORKER)
    open_ones = [
        one for one, found in evidence.items() if found["tokens"] != "required" or found["hops"] != 1
    ]
    if open_ones:
        return refuted(f"not as launched: {_listed(open_ones)}")
    if any(found["reports"] for found in evidence.values()):
        return confirmed("workers with these options report")
    return not_observed("no worker has reported in the last hour")


def tags(evidence: Mapping[str, str | None]) -> Judged:
    """{resource: the value of the cluster's tag, None without it}."""
    wrong = [name for name, value in evidence.items() if not value]
    return refuted(f"without it: {_listed(wrong)}") if wrong else confirmed(f"all of {len(evidence)} do")


def log_groups_first(evidence: Mapping[str, Mapping[str, Any]]) -> Judged:
    """{function: {days, ran}}: its log group's retention, and whether it has written to it."""
    ran = {name: one for name, one in evidence.items() if one["ran"]}
    if not ran:
        return not_observed("no function has run yet")
    wrong = [name for name, one in ran.items() if not one["days"]]
    return refuted(f"kept without end: {_listed(wrong)}") if wrong else confirmed(f"those of {len(ran)} are")


def all_there(evidence: Mapping[str, Any], what: str) -> Judged:
    """{name: something, None where it is missing}."""
    missing = [name for name, value in evidence.items() if not value]
    return refuted(f"missing: {_listed(missing)}") if missing else confirmed(f"{what}: {len(evidence)} there")


def image_encrypted(evidence: Sequence[bool]) -> Judged:
    """Of each disk of the workers' image."""
    if not evidence:
        return not_observed("the cluster has built no image")
    return confirmed("its disks are encrypted") if all(evidence) else refuted("it has a disk that is not")


def hub_runs(evidence: Mapping[str, str]) -> Judged:
    """{version, trouble}."""
    if evidence["trouble"]:
        return not_observed(f"the hub does not answer: {evidence['trouble']}: run `cloudjhub doctor`")
    return confirmed(f"JupyterHub {evidence['version']} answers")


def some(evidence: Mapping[str, Any], what: str) -> Judged:
    """{count}: something that arrives if the assumption holds."""
    if evidence["count"]:
        return confirmed(f"{evidence['count']} {what}")
    return not_observed(f"no {what} yet")


def recovery(evidence: Mapping[str, str]) -> Judged:
    """{instance: AutoRecovery of its MaintenanceOptions}."""
    if not evidence:
        return not_observed("there is no manager")
    wrong = sorted({value for value in evidence.values() if value != "default"})
    return refuted(f"it is {_listed(wrong)}") if wrong else confirmed("it is on")


def quotas(evidence: Mapping[str, Mapping[str, str]]) -> Judged:
    """{code: {wanted: a part of its name, name}}."""
    wrong = [f"{code} is {one['name']}" for code, one in evidence.items() if one["wanted"] not in one["name"]]
    return refuted(_listed(wrong)) if wrong else confirmed("the codes are those of the quotas")


def backup_ages(evidence: Mapping[str, Any]) -> Judged:
    """{oldest, since: ISO times of the oldest backup and of the manager's launch, now}."""
    if not evidence["oldest"] or not evidence["since"]:
        return not_observed("there is no backup")
    now = datetime.fromisoformat(evidence["now"])
    age = now - datetime.fromisoformat(evidence["oldest"])
    if age > EXPIRE_WITHIN:
        return refuted(f"the oldest is {age.days} days old")
    if now - datetime.fromisoformat(evidence["since"]) <= EXPIRE_WITHIN:
        return not_observed("the manager is too young: verify again when it is 17 days old")
    return confirmed(f"the oldest is {age.days} days old")


REPORT = re.compile(
    r"REPORT .*?\bDuration: (?P<duration>[\d.]+) ms.*?Memory Size: (?P<size>\d+) MB.*?Max Memory Used: (?P<used>\d+) MB"
)


def runs_in(lines: Iterable[str]) -> list[dict[str, float]]:
    """Of Lambda's own lines in a log, of each run the seconds, and the shares of its memory that it used."""
    found = (REPORT.search(line) for line in lines)
    return [
        {"seconds": float(one["duration"]) / 1000, "memory": int(one["used"]) / int(one["size"])}
        for one in found
        if one
    ]


def near_limits(evidence: Mapping[str, Mapping[str, float]]) -> Judged:
    """{function: {timeout, runs, seconds, memory}}: the highest of the last day."""
    ran = {name: one for name, one in evidence.items() if one["runs"]}
    if not ran:
        return not_observed("no function has run in the last day")
    wrong = [
        f"{name} ({one['seconds']:.1f} of {one['timeout']:g} s, {one['memory']:.0%} of its memory)"
        for name, one in ran.items()
        if one["seconds"] > NEAR_LIMIT * one["timeout"] or one["memory"] > NEAR_LIMIT
    ]
    most = max(one["memory"] for one in ran.values())
    return (
        refuted(_listed(wrong))
        if wrong
        else confirmed(f"of {len(ran)} functions, at most {most:.0%} of memory")
    )


def imports(evidence: Mapping[str, Mapping[str, Any]]) -> Judged:
    """{function: {architecture, runs, failed: lines about an import}}."""
    ran = {name: one for name, one in evidence.items() if one["runs"]}
    failed = [f"{name}: {one['failed'][0]}" for name, one in evidence.items() if one["failed"]]
    if failed:
        return refuted(_listed(failed))
    if not ran:
        return not_observed("no function has run in the last day")
    kinds = sorted({one["architecture"] for one in ran.values()})
    return confirmed(f"{len(ran)} functions ran on {_listed(kinds)}")


def _listed(found: Sequence[str]) -> str:
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more
