"""The operator's commands build, change and remove clusters in an account, by the code that does it on AWS."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from bootstrap.aws import keys, names
from bootstrap.config.choices import Egress
from tests.scenarios.account import Account, Cluster
from tests.scenarios.cloud import REPOSITORY, control
from tests.scenarios.everything import everything
from tests.shared.addresses import free_port

pytestmark = pytest.mark.cloud
# What the lifecycle functions, hubs and workers of the module's cluster ask for meanwhile.
OF_FUNCTIONS = {"PutItem", "UpdateItem", "PutMetricAlarm", "DeleteAlarms", "PutMetricData", "PutEvents"}


def lasting(account: Account) -> set[str]:
    """Everything but the idle alarms, which come and go with running machines."""
    return {one for one in everything(account) if "-idle-i-" not in one}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    running = Account(
        tmp_path_factory.mktemp("account"), free_port(), "--boot-time", "0.5", "--stop-time", "0.5"
    )
    try:
        running.up()
        yield running
    finally:
        running.down()


def alias_of_new_key(account: Account) -> str:
    """The ARN of an alias of a customer managed key, whose policy says what `plan` tells the operator to add."""
    region, number = "us-east-1", "123456789012"
    needed = [
        keys.delegating_statement("aws", number),
        keys.logs_statement(region, f"arn:aws:logs:{region}:{number}:log-group:*"),
    ]
    policy = {"Version": "2012-10-17", "Statement": [json.loads(one) for one in needed]}
    kms = account.client("kms")
    made = kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/notebooks", TargetKeyId=made)
    return f"arn:aws:kms:{region}:{number}:alias/notebooks"


@pytest.fixture(scope="module")
def course(account: Account) -> Cluster:
    """A cluster that stands; its tests leave it standing."""
    cluster = account.cluster("course", port=free_port(), private_address=f"127.{account.network}.0.20")
    bound = replace(
        cluster.settings,
        # Whose network another cluster can share.
        network=replace(cluster.settings.network, egress=Egress.NAT_GATEWAY),
        tags={"CostCenter": "48-1123"},
        permissions_boundary="arn:aws:iam::123456789012:policy/OrgBoundary",
        role_path="/project/",
        role_prefix="phys-",
        kms_key=alias_of_new_key(account),
    )
    cluster.write(bound)
    assert cluster.up()["changed"]
    return cluster


def test_up_builds_a_cluster_whose_hub_answers(course: Cluster) -> None:
    """A person of the users file logs in, gets a machine and computes on it."""
    assert course.hub_answers()
    ann = course.person("ann")
    ann.start()
    assert ann.run_cell(ann.open_kernel(), "print(6 * 7)") == "42\n"
    ann.stop()


def test_the_institutions_tags_are_on_everything_in_ec2(course: Cluster) -> None:
    """On what stacks hold, on what calls make, and on what the hub launched: disks and network interface too."""
    ec2 = course.account.client("ec2")

    def tagged(key: str) -> set[tuple[str, str]]:
        pages = ec2.get_paginator("describe_tags").paginate(Filters=[{"Name": "key", "Values": [key]}])
        return {(tag["ResourceType"], tag["ResourceId"]) for page in pages for tag in page["Tags"]}

    ours = tagged("cloudjhub:cluster") | tagged("cloudjhub:network")
    machines = {"instance", "volume", "network-interface", "image", "snapshot"}
    assert machines | {"vpc", "subnet", "security-group"} <= {kind for kind, _ in ours}
    assert ours - tagged("CostCenter") == set()
    [worker] = [
        one
        for one in control(course.account.told, "state")["instances"]
        if one["tags"].get("cloudjhub:user") == "ann"
    ]
    assert worker["tags"]["CostCenter"] == "48-1123"


def test_everything_is_encrypted_with_the_institutions_key(course: Cluster) -> None:
    """By what AWS shows: disks, tables, bucket, secrets and logs; users, functions and builder have worked with it."""
    client = course.account.client
    key = client("kms").describe_key(KeyId="alias/notebooks")["KeyMetadata"]["Arn"]
    ours = [{"Name": "tag:cloudjhub:cluster", "Values": ["course"]}]
    disks = client("ec2").describe_volumes(Filters=ours)["Volumes"]
    kinds = {tag["Value"] for one in disks for tag in one["Tags"] if tag["Key"] == "cloudjhub:role"}
    assert {"manager", "manager-state", "worker"} <= kinds
    assert {one.get("KmsKeyId") for one in disks} == {key}
    for name in names.TABLES:
        table = client("dynamodb").describe_table(TableName=names.table("course", name))["Table"]
        assert table["SSEDescription"]["KMSMasterKeyArn"] == key
    secrets = client("ssm").describe_parameters()["Parameters"]
    assert {one["KeyId"] for one in secrets if one["Name"].startswith("/cloudjhub/course/")} == {key}
    groups = client("logs").describe_log_groups()["logGroups"]
    keys_of = {one["logGroupName"]: one.get("kmsKeyId") for one in groups}
    assert {name: keys_of[name] for name in names.log_groups("course")} == dict.fromkeys(
        names.log_groups("course"), key
    )


def test_every_role_is_as_the_institution_wants_it(course: Cluster) -> None:
    """By CloudFormation and IAM: none is made by anybody else."""
    roles = course.account.client("iam").list_roles()["Roles"]
    ours = [one for one in roles if "course" in one["RoleName"]]
    assert sorted(one["RoleName"] for one in ours) == sorted(names.roles("course", "phys-"))
    assert {one["Path"] for one in ours} == {"/project/"}
    for one in ours:
        role = course.account.client("iam").get_role(RoleName=one["RoleName"])["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith(":policy/OrgBoundary")


def test_up_again_changes_nothing(course: Cluster) -> None:
    """Neither by what it says, nor by what AWS sees, nor by what there is."""
    before, calls = lasting(course.account), len(course.account.changing_calls())
    assert course.up()["changed"] == []
    assert [call for call in course.account.changing_calls()[calls:] if call not in OF_FUNCTIONS] == []
    assert lasting(course.account) == before


def test_a_changed_setting_replaces_the_manager_and_stops_no_machine(course: Cluster) -> None:
    """The hub comes back with the new setting; whoever worked works on, logged in as before."""
    ben = course.person("ben")
    ben.start()
    kernel = ben.open_kernel()
    ben.run_cell(kernel, "x = 6")
    course.edit(workers={"named_servers": 1})
    assert course.up()["changed"] == ["manager"]
    assert course.hub_answers()
    assert ben.is_logged_in()
    assert ben.run_cell(kernel, "print(x * 7)") == "42\n", "the kernel lives on"
    ben.stop()


def test_the_hub_runs_with_the_institutions_own_configuration(course: Cluster) -> None:
    """With a wrong one `up` says which line it is, and goes back to the previous manager, whose users lose nothing."""
    own = course.file.parent / "hub_config.py"
    own.write_text("c.JupyterHub.tornado_settings['headers']['X-Institution'] = 'physics'\n")
    course.edit(hub={"config": own.name})
    assert set(course.up()["changed"]) == {"bundle", "manager"}
    assert requests.get(f"{course.url}/hub/login", timeout=5).headers["X-Institution"] == "physics"

    own.write_text("limit = 3\nc.JupyterHub.active_server_limit = limits\n")
    ann = course.person("ann")
    failed = course.run("up", "--yes")
    assert failed.returncode == 1
    assert (
        "rolled back: the previous manager runs again, and its hub answers. The update failed:"
        in failed.stderr
    )
    why = "hub.config, line 2: NameError: name 'limits' is not defined"
    assert f"the hub does not start: {why}: fix this, then run `cloudjhub up` again" in failed.stderr
    assert requests.get(f"{course.url}/hub/login", timeout=5).headers["X-Institution"] == "physics"
    assert ann.hub("GET", "user").ok
    assert "replace manager" in course.ok("plan")

    own.write_text("x = = 1\n")
    refused = course.run("plan")
    assert refused.returncode == 2
    assert "hub_config.py, line 1: invalid syntax" in refused.stderr

    course.edit(hub={"config": ""})
    course.up()
    assert course.hub_answers()


def test_a_policy_takes_effect_without_deploying(course: Cluster) -> None:
    """`settings set` writes what the functions read; nothing is deployed for it."""
    before = lasting(course.account)
    course.ok("settings", "set", "idle_timeout=20m")
    assert '"idle_timeout": 1200' in course.ok("settings", "get", "--json")
    assert lasting(course.account) == before
    assert course.up()["changed"] == []


def test_a_rebuilt_image_is_taken_at_the_next_start_and_the_home_is_kept(course: Cluster) -> None:
    """A stopped machine of the old image gives way to one of the new image with the same home disk."""
    ann = course.person("ann")
    ann.start()
    ann.write("notes.txt", "precious")
    ann.stop()
    course.account.await_true("ann's machine is stopped", lambda: _state(course, "ann") == "stopped")
    [old] = course.account.instances("ann")
    course.edit(workers={"packages": ["six"]})
    course.ok("image", "build", "--json")
    ann.start()
    [new] = course.account.instances("ann")
    assert new["ImageId"] != old["ImageId"]
    assert ann.read("notes.txt") == "precious"
    assert course.up()["changed"] == []
    ann.stop()


def test_the_report_divides_what_it_cost_among_the_users_who_worked(course: Cluster) -> None:
    """Ann's run and disks are hers, and each way of dividing has the same sum."""
    ann = course.person("ann")
    ann.start()
    ann.stop()
    course.account.await_true("ann's machine is stopped", lambda: _state(course, "ann") == "stopped")
    by_user = json.loads(course.ok("report", "--json"))
    [of_ann] = [row for row in by_user["rows"] if row["name"] == "ann"]
    assert of_ann["hours"] > 0
    assert of_ann["machines"] > 0
    assert of_ann["gb_months"] > 0
    for by in ("group", "day"):
        others = json.loads(course.ok("report", "--by", by, "--json"))
        assert others["total"]["machines"] == by_user["total"]["machines"]
    assert "shared by all" in course.ok("report")


def test_a_lost_state_disk_is_made_up_for_by_a_backup(course: Cluster) -> None:
    """The backup is made while the hub runs, as its unit does; users' tokens are valid again."""
    ann = course.person("ann")
    assert ann.hub("GET", "user").ok
    ec2, [manager] = course.account.client("ec2"), _managers(course)
    root, state = (one["Ebs"]["VolumeId"] for one in manager["BlockDeviceMappings"])
    disks = course.account.state_dir / "volumes"
    subprocess.run(
        [sys.executable, "-m", "hub.database"],
        cwd=disks / state / "hub",
        env={
            **os.environ,
            **course.account.told["environment"],
            "PYTHONPATH": str(REPOSITORY),
            "CLOUDJHUB_CONFIG": str(disks / root / "etc/cloudjhub/manager.json"),
        },
        check=True,
    )
    ec2.terminate_instances(InstanceIds=[manager["InstanceId"]])
    course.account.await_true("the manager is gone", lambda: not _managers(course))
    ec2.delete_volume(VolumeId=state)

    assert "cloudjhub restore --at latest" in course.ok("plan")
    course.up()
    assert ann.hub("GET", "user").status_code == 403, "the new disk is empty"
    listed = json.loads(course.ok("restore", "--json"))
    assert listed[0]["why"] == "daily"
    course.ok("restore", "--at", "latest", "--yes")
    assert ann.hub("GET", "user").ok
    assert "database.restore" in course.ok("logs", "audit")


def test_a_second_cluster_shares_the_network_and_goes_alone(account: Account, course: Cluster) -> None:
    """What a cluster created is gone after `down`; the network and the other cluster stay as they are."""
    before = lasting(account)
    second = account.cluster("seminar", port=free_port(), private_address=f"127.{account.network}.0.21")
    shared = replace(second.settings.network, egress=Egress.NAT_GATEWAY)
    second.write(replace(second.settings, network=shared))
    assert "network" not in second.up()["changed"]
    assert second.hub_answers()
    assert second.person("ann").hub("GET", "user").ok
    second.ok("down", "--confirm", "seminar")
    assert lasting(account) == before
    assert course.hub_answers()
    assert course.up()["changed"] == []


def test_down_leaves_nothing_but_home_disks(tmp_path: Path) -> None:
    """In an account of its own: home disks are kept and named, then deleted when told; nothing else is left."""
    account = Account(tmp_path / "account", free_port(), "--boot-time", "0.5", "--stop-time", "0.5")
    account.state_dir.mkdir()
    try:
        account.up()
        empty = everything(account)
        cluster = account.cluster("brief", port=free_port(), private_address=f"127.{account.network}.0.20")
        cluster.up()
        cluster.person("ann").start()
        assert cluster.run("down", "--confirm", "wrong").returncode == 2
        assert cluster.hub_answers()
        assert "home of ann" in cluster.ok("down", "--confirm", "brief")
        assert [one.split()[0] for one in everything(account) - empty] == ["Volumes"]
        cluster.ok("down", "--with-homes", "--confirm", "brief")
        assert everything(account) == empty
    finally:
        account.down()


def _managers(cluster: Cluster) -> list[dict[str, Any]]:
    found = cluster.account.client("ec2").describe_instances(
        Filters=[
            {"Name": "tag:cloudjhub:role", "Values": ["manager"]},
            {"Name": "tag:cloudjhub:cluster", "Values": [cluster.name]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "shutting-down"]},
        ]
    )
    return [one for group in found["Reservations"] for one in group["Instances"]]


def _state(cluster: Cluster, user: str) -> str:
    [instance] = cluster.account.instances(user)
    return str(instance["State"]["Name"])
