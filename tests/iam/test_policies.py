"""Every role x action x tag context: what is granted is written down here, and all else must be refused."""

from dataclasses import replace

import pytest

from bootstrap.cluster.policies import manager_policy
from tests.iam.asking import FUNCTIONS, POLICIES, SCOPE, decide
from tests.iam.matrix import CHANNELS, INDEXES, MESSAGES, REQUESTS, TABLES
from tests.iam.simulator import Result

ADMINISTRATOR = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}

OURS = ("workers", "history", "settings")
POLICY_SCOPES = ("cluster", "group/physics", "user/ada")
SCOPES = (*POLICY_SCOPES, "users", "image", "restore", "announcement")
READING = ("GetItem", "BatchGetItem", "Query")

MANAGER = {
    "launch",
    "launch, fewer tag keys",
    "launch, second subnet",
    "launch, snapshot own worker",
    "StartInstances, own worker",
    "AttachVolume, volume own worker",
    "CreateTags, instance at launch",
    "CreateTags, volume at launch",
    "CreateTags, interface at launch",
    "PassRole, worker",
    "PutEvents, from the hub",
    "GetParameter, lifecycle token",
    "GetParameter, cookie secret",
    "GetParameters, lifecycle token",
    "GetParameters, cookie secret",
    "DescribeInstances",
    "DescribeImages",
    "DescribeSnapshots",
    "DescribeSubnets",
    "DescribeVolumes",
    "Query, index due",
    "Query, index instance",
    "Query, index changed",
    "Query, index day",
    *(f"{action}, {table}" for action in READING for table in OURS),
    *(f"GetItem, settings of {scope}" for scope in SCOPES),
    "GetObject, bundle",
    "GetObject, backup",
    "PutObject, backup",
    *(
        f"{action}, manager, {group}"
        for action in ("CreateLogStream", "PutLogEvents", "DescribeLogStreams")
        for group in ("own", "audit")
    ),
    "UpdateInstanceInformation",
    "record, own set",
    "record, own deleted",
    "record, own replaced",
    "GetChange",
    *CHANNELS,
    *MESSAGES,
}
CHANGE = {"GetItem, workers", "UpdateItem, workers", "PutItem, history"}
STOP = CHANGE | {"GetParameter, lifecycle token", "StopInstances, own worker"}
JUDGE = {"BatchGetItem, settings", "GetMetricData"}
ALARMS = {"PutMetricAlarm, own", "DeleteAlarms, own"}
LOGGING = ("CreateLogStream", "PutLogEvents")
BY_FUNCTION: dict[str, set[str]] = {
    "record_state": CHANGE
    | {"Query, index instance"}
    | ALARMS
    | {"BatchGetItem, settings", "DescribeInstances"},
    "idle_alarm": STOP | {"Query, index instance"} | JUDGE,
    "record_activity": {"Query, index due", "Query, index changed"}
    | JUDGE
    | {"UpdateItem, workers", "GetParameter, lifecycle token"},
    "sweep": STOP | {"Query, index due"} | JUDGE,
    "stop_requested": STOP,
    "keep_requested": CHANGE | {"BatchGetItem, settings"},
    "change_policy": {
        f"{action}, settings of {scope}" for action in ("GetItem", "UpdateItem") for scope in POLICY_SCOPES
    },
    "reconcile": STOP
    | {"Query, index changed"}
    | JUDGE
    | ALARMS
    | {"DescribeInstances", "DescribeAlarms", "ListMetrics"},
    "remove_stopped": CHANGE
    | {
        "Query, index changed",
        "DescribeInstances",
        "GetParameter, lifecycle token",
        "TerminateInstances, own worker",
    },
    "grow_homes": {
        "Query, index due",
        "PutItem, history",
        "GetMetricData",
        "DescribeVolumes",
        "DescribeVolumesModifications",
        "ModifyVolume, own worker",
        "CreateTags, mark, own worker",
    },
}
GRANTED: dict[str, set[str]] = {
    "manager": MANAGER,
    "worker": {"PutMetricData, own namespace"},
    "builder": {"GetObject, bundle"},
    "backups": {
        "CreateSnapshot, marked, own worker",
        "CreateTags, snapshot",
        "DeleteSnapshot, own worker",
        "DescribeInstances",
        "DescribeSnapshots",
        "DescribeVolumes",
    },
    **{
        function: needed
        | {"SendMessage, dead-letter queue"}
        | {f"{action}, {function}" for action in LOGGING}
        for function, needed in BY_FUNCTION.items()
    },
}

Decisions = dict[str, dict[str, Result]]


@pytest.fixture(scope="module")
def decisions() -> Decisions:
    """Of each role by itself."""
    return decide(POLICIES, {role: (role,) for role in POLICIES}, REQUESTS)


@pytest.fixture(scope="module")
def beside_administrator() -> Decisions:
    """Of each role when full access is attached to it as well: only explicit denials still hold."""
    policies = {**POLICIES, "administrator": ADMINISTRATOR}
    return decide(policies, {role: (role, "administrator") for role in POLICIES}, REQUESTS)


def _names(decided: dict[str, Result], result: Result) -> set[str]:
    return {name for name, decision in decided.items() if decision == result}


def _of(*actions: str) -> set[str]:
    return {name for name, request in REQUESTS.items() if request.action.startswith(actions)}


def test_the_table_speaks_of_requests_there_are() -> None:
    assert set(GRANTED) == set(POLICIES)
    assert set().union(*GRANTED.values()) <= set(REQUESTS)


@pytest.mark.parametrize("role", sorted(POLICIES))
def test_a_role_is_granted_what_it_needs_and_nothing_else(role: str, decisions: Decisions) -> None:
    assert _names(decisions[role], "Allowed") == GRANTED[role]


STOPS_OR_CHANGES = (
    "ec2:Stop",
    "ec2:Terminate",
    "ec2:Reboot",
    "ec2:Modify",
    "ec2:Delete",
    "ec2:Detach",
    "ec2:Associate",
)
WRITES_RECORDS = (
    "dynamodb:Put",
    "dynamodb:Update",
    "dynamodb:Delete",
    "dynamodb:BatchWrite",
)


def test_the_hub_can_stop_terminate_change_or_write_nothing(beside_administrator: Decisions) -> None:
    """No stranger's instances, disks or tables, and not even with full access attached to its role by mistake."""
    forbidden = _of(*STOPS_OR_CHANGES, *WRITES_RECORDS)
    assert len(forbidden) > 7 * 3 + len(TABLES) * 4
    assert forbidden <= _names(beside_administrator["manager"], "ExplicitlyDenied")


def test_the_hub_cannot_reach_power_by_a_detour(beside_administrator: Decisions) -> None:
    """No other role, no tag put on a stranger's instance, no alarm that stops, no command on a worker."""
    forbidden = {
        "CreateTags, at another creation",
        "CreateTags, there already",
        "PassRole, manager",
        "PassRole, longer name",
        "GetParameter, other of this cluster",
        "GetParameter, other cluster's token",
        "GetParameter, other cluster's secret",
        "GetParameters, other cluster's secret",
        *_of("iam:PutRolePolicy", "iam:CreateRole", "sts:AssumeRole", "lambda:"),
        *_of("events:PutRule", "events:DisableRule", "ssm:SendCommand", "ssm:PutParameter"),
        *_of("cloudwatch:Put", "cloudwatch:Delete", "cloudwatch:Set", "cloudwatch:Disable"),
    }
    assert forbidden <= _names(beside_administrator["manager"], "ExplicitlyDenied")


def test_the_hub_can_change_no_dns_record_but_the_one_that_validates_its_domain(
    decisions: Decisions, beside_administrator: Decisions
) -> None:
    """No other name, type or zone, not even in a batch with the right one, and not even beside full access."""
    others = {
        name for name in _of("route53:Change") if "own" not in name or "beside" in name or "address" in name
    }
    forbidden = others | {"record, own in another zone", "DeleteHostedZone, own zone"}
    forbidden -= {f"record, no {key}" for key in ("name", "type", "action")}
    assert len(forbidden) == 14
    assert forbidden <= _names(beside_administrator["manager"], "ExplicitlyDenied")
    assert not forbidden & _names(decisions["manager"], "Allowed")


def test_without_a_record_to_change_the_hub_has_nothing_to_do_with_dns() -> None:
    policies = {"manager": manager_policy(replace(SCOPE, challenge=None)), "administrator": ADMINISTRATOR}
    dns = {name: request for name, request in REQUESTS.items() if request.action.startswith("route53:")}
    alone, beside = (("manager",), ("manager", "administrator"))
    decided = decide(policies, {"alone": alone, "beside": beside}, dns)
    assert _names(decided["alone"], "Allowed") == set()
    assert _names(decided["beside"], "ExplicitlyDenied") == _of("route53:Change", "route53:Delete")


def test_the_hubs_denials_leave_it_its_own_work(beside_administrator: Decisions) -> None:
    assert _names(beside_administrator["manager"], "Allowed") >= MANAGER


def test_the_lifecycle_app_can_start_nothing(decisions: Decisions, beside_administrator: Decisions) -> None:
    starting = _of("ec2:RunInstances", "ec2:StartInstances", "iam:", "sts:")
    assert len(starting) > 40
    for function in FUNCTIONS:
        assert not starting & _names(decisions[function], "Allowed"), function
        assert starting <= _names(beside_administrator[function], "ExplicitlyDenied"), function


def test_only_the_functions_that_decide_can_stop_and_only_this_clusters_workers(decisions: Decisions) -> None:
    can_stop = {
        role: name for role in POLICIES for name in _of("ec2:Stop") & _names(decisions[role], "Allowed")
    }
    deciding = ("idle_alarm", "sweep", "stop_requested", "reconcile")
    assert can_stop == dict.fromkeys(deciding, "StopInstances, own worker")


def test_only_one_function_can_terminate_and_only_this_clusters_workers(decisions: Decisions) -> None:
    can_terminate = {
        (role, name)
        for role in POLICIES
        for name in _of("ec2:Terminate") & _names(decisions[role], "Allowed")
    }
    assert can_terminate == {("remove_stopped", "TerminateInstances, own worker")}


SEEN = ("DescribeInstances", "DescribeSnapshots", "DescribeVolumes")
DISK_POWERS = (
    "ec2:CreateSnapshot",
    "ec2:CreateVolume",
    "ec2:AttachVolume",
    "ec2:DetachVolume",
    "ec2:DeleteVolume",
    "ec2:ModifyVolume",
    "ec2:DeleteSnapshot",
)


def test_the_hub_can_only_attach_disks_one_function_grow_homes_and_one_service_back_them_up(
    decisions: Decisions,
) -> None:
    """The table in docs/security.md: `who may do what to disks and machines`."""
    can = {
        (role, name) for role in POLICIES for name in _of(*DISK_POWERS) & _names(decisions[role], "Allowed")
    }
    assert can == {
        ("manager", "AttachVolume, volume own worker"),
        ("grow_homes", "ModifyVolume, own worker"),
        ("backups", "CreateSnapshot, marked, own worker"),
        ("backups", "DeleteSnapshot, own worker"),
    }


def test_data_lifecycle_manager_can_only_make_and_delete_snapshots_of_homes(
    decisions: Decisions, beside_administrator: Decisions
) -> None:
    assert _names(decisions["backups"], "Allowed") == GRANTED["backups"]
    spoken_of = {f"ec2:{one}" for one in (*SEEN, "CreateSnapshot", "CreateTags", "DeleteSnapshot")}
    others = {name for name, request in REQUESTS.items() if request.action not in spoken_of}
    assert _names(beside_administrator["backups"], "ExplicitlyDenied") == others


def test_a_worker_can_only_report_in_its_own_namespace(
    decisions: Decisions, beside_administrator: Decisions
) -> None:
    assert _names(decisions["worker"], "Allowed") == {"PutMetricData, own namespace"}
    everything_else = set(REQUESTS) - _of("cloudwatch:PutMetricData")
    assert _names(beside_administrator["worker"], "ExplicitlyDenied") == everything_else


def test_a_builder_can_only_read_what_it_installs(beside_administrator: Decisions) -> None:
    """It runs what package authors wrote."""
    everything_else = set(REQUESTS) - {"GetObject, bundle"}
    assert _names(beside_administrator["builder"], "ExplicitlyDenied") == everything_else


def test_no_alarm_of_ours_can_act_by_itself(decisions: Decisions) -> None:
    for role in POLICIES:
        assert decisions[role]["PutMetricAlarm, own that stops"] != "Allowed"


def test_no_role_reaches_into_another_cluster(decisions: Decisions) -> None:
    foreign = {
        name
        for name in REQUESTS
        if any(word in name for word in ("other cluster", "longer", "stranger", "cluster named", "foreign"))
    }
    assert len(foreign) > 40
    for role in POLICIES:
        assert not foreign & _names(decisions[role], "Allowed"), role


def test_the_matrix_asks_about_every_index() -> None:
    assert {f"Query, index {name}" for name in INDEXES} <= set(REQUESTS)
