"""Start, stop, terminate and reboot by EC2's rules."""

import pytest
import requests
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_process import CloudProcess, EventSink
from tests.shared.waiting import PATIENCE, until

NOWHERE = "i-0123456789abcdef0"


def test_an_instance_goes_through_every_state_and_tells_each_in_order(
    cloud: CloudProcess, events: EventSink
) -> None:
    ec2 = cloud.client("ec2")
    launched = cloud.run()
    instance_id, address = launched["InstanceId"], launched["PrivateIpAddress"]
    assert launched["State"] == {"Code": 0, "Name": "pending"}
    assert launched["StateReason"] == {"Code": "pending", "Message": "pending"}
    cloud.await_state(instance_id, "running")
    cloud.await_page(address)

    stopped = ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"][0]
    assert (stopped["PreviousState"]["Name"], stopped["CurrentState"]["Name"]) == ("running", "stopping")
    cloud.await_state(instance_id, "stopped")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{address}:8888/", timeout=PATIENCE)
    described = cloud.described(instance_id)
    assert described["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert described["StateTransitionReason"].startswith("User initiated (")
    assert described["StateTransitionReason"].endswith(" GMT)")
    assert described["PrivateIpAddress"] == address

    started = ec2.start_instances(InstanceIds=[instance_id])["StartingInstances"][0]
    assert (started["PreviousState"]["Name"], started["CurrentState"]["Name"]) == ("stopped", "pending")
    cloud.await_state(instance_id, "running")
    cloud.await_page(address)
    assert cloud.described(instance_id)["StateTransitionReason"] == ""

    ended = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert (ended["PreviousState"]["Name"], ended["CurrentState"]["Name"]) == ("running", "shutting-down")
    cloud.await_state(instance_id, "terminated")
    told = ["pending", "running", "stopping", "stopped", "pending", "running", "shutting-down", "terminated"]
    until(lambda: events.states(instance_id) == told, "all events")


def test_start_and_stop_have_nothing_to_do_in_the_states_they_lead_to(cloud: CloudProcess) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.running()["instance_id"]
    again = ec2.start_instances(InstanceIds=[instance_id])["StartingInstances"][0]
    assert again["CurrentState"] == again["PreviousState"] == {"Code": 16, "Name": "running"}
    ec2.stop_instances(InstanceIds=[instance_id])
    again = ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"][0]
    assert again["CurrentState"] == again["PreviousState"] == {"Code": 64, "Name": "stopping"}
    cloud.await_state(instance_id, "stopped")
    again = ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"][0]
    assert again["CurrentState"] == again["PreviousState"] == {"Code": 80, "Name": "stopped"}
    ec2.terminate_instances(InstanceIds=[instance_id])


def test_a_stopping_instance_cannot_be_started(cloud: CloudProcess) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.running()["instance_id"]
    ec2.stop_instances(InstanceIds=[instance_id])
    with pytest.raises(ClientError, match="is not in a state from which it can be started") as refused:
        ec2.start_instances(InstanceIds=[instance_id])
    assert refused.value.response["Error"]["Code"] == "IncorrectInstanceState"
    ec2.terminate_instances(InstanceIds=[instance_id])


@pytest.mark.parametrize(
    ("fault", "call", "held", "then"),
    [
        ("slow-boot", "start_instances", "pending", "running"),
        ("slow-stop", "stop_instances", "stopping", "stopped"),
    ],
)
def test_a_slow_instance_is_held_until_the_fault_is_off(
    cloud: CloudProcess, fault: str, call: str, held: str, then: str
) -> None:
    instance_id = cloud.running()["instance_id"]
    if fault == "slow-boot":
        cloud.client("ec2").stop_instances(InstanceIds=[instance_id])
        cloud.await_state(instance_id, "stopped")
    cloud.fault(fault, True, seconds=PATIENCE)
    getattr(cloud.client("ec2"), call)(InstanceIds=[instance_id])
    assert cloud.instance(instance_id)["state"] == held
    cloud.fault(fault, False)
    cloud.await_state(instance_id, then)
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])


def test_an_instance_that_never_ran_cannot_be_stopped(cloud: CloudProcess) -> None:
    cloud.fault("slow-boot", True, seconds=PATIENCE)
    instance_id = cloud.run()["InstanceId"]
    with pytest.raises(ClientError, match="has never reached the 'running' state") as refused:
        cloud.client("ec2").stop_instances(InstanceIds=[instance_id])
    assert refused.value.response["Error"]["Code"] == "IncorrectInstanceState"
    cloud.fault("slow-boot", False)
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
    cloud.await_state(instance_id, "terminated")


@pytest.mark.parametrize("action", ["start_instances", "stop_instances", "reboot_instances"])
def test_a_terminated_instance_is_past_everything_but_another_termination(
    cloud: CloudProcess, action: str
) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run()["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.await_state(instance_id, "terminated")
    with pytest.raises(ClientError) as refused:
        getattr(ec2, action)(InstanceIds=[instance_id])
    assert refused.value.response["Error"]["Code"] == "IncorrectInstanceState"
    again = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert again["CurrentState"] == again["PreviousState"] == {"Code": 48, "Name": "terminated"}


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([NOWHERE], "InvalidInstanceID.NotFound"),
        (["i-xyz"], "InvalidInstanceID.Malformed"),
        (["instance"], "InvalidInstanceID.Malformed"),
    ],
)
def test_unknown_ids_are_told_from_malformed_ones(cloud: CloudProcess, ids: list[str], code: str) -> None:
    for action in ("start_instances", "stop_instances", "terminate_instances", "describe_instances"):
        with pytest.raises(ClientError) as refused:
            getattr(cloud.client("ec2"), action)(InstanceIds=ids)
        assert refused.value.response["Error"]["Code"] == code


def test_one_bad_instance_fails_the_whole_call(cloud: CloudProcess) -> None:
    """Neither an unknown id nor one in the wrong state lets the others through."""
    ec2 = cloud.client("ec2")
    good, gone = cloud.running()["instance_id"], cloud.run()["InstanceId"]
    ec2.terminate_instances(InstanceIds=[gone])
    cloud.await_state(gone, "terminated")
    for bad in (NOWHERE, gone):
        with pytest.raises(ClientError):
            ec2.stop_instances(InstanceIds=[good, bad])
        assert cloud.instance(good)["state"] == "running"
    ec2.terminate_instances(InstanceIds=[good])


@pytest.mark.parametrize(
    ("option", "action"),
    [("DisableApiTermination", "terminate_instances"), ("DisableApiStop", "stop_instances")],
)
def test_protection_is_honoured_until_it_is_lifted(cloud: CloudProcess, option: str, action: str) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run(**{option: True})["InstanceId"]
    cloud.await_state(instance_id, "running")
    with pytest.raises(ClientError, match="instance attribute and try again") as refused:
        getattr(ec2, action)(InstanceIds=[instance_id])
    assert refused.value.response["Error"]["Code"] == "OperationNotPermitted"
    ec2.modify_instance_attribute(InstanceId=instance_id, **{option: {"Value": False}})
    getattr(ec2, action)(InstanceIds=[instance_id])
    assert cloud.instance(instance_id)["state"] in ("stopping", "stopped", "shutting-down", "terminated")


def test_a_reboot_is_no_change_of_state(cloud: CloudProcess, events: EventSink) -> None:
    before = cloud.running()
    cloud.client("ec2").reboot_instances(InstanceIds=[before["instance_id"]])
    until(
        lambda: cloud.instance(before["instance_id"])["pid"] not in (None, before["pid"]), "another process"
    )
    cloud.await_page(before["address"])
    assert events.states(before["instance_id"]) == ["pending", "running"]
    cloud.client("ec2").terminate_instances(InstanceIds=[before["instance_id"]])


def test_an_instance_that_shuts_itself_down_says_so(cloud: CloudProcess) -> None:
    instance_id = cloud.running()["instance_id"]
    cloud.control("POST", "poweroff", {"instance_id": instance_id})
    cloud.await_state(instance_id, "stopped")
    assert cloud.described(instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_an_instance_that_terminates_when_it_shuts_itself_down_is_gone(cloud: CloudProcess) -> None:
    instance_id = cloud.running(InstanceInitiatedShutdownBehavior="terminate")["instance_id"]
    cloud.control("POST", "poweroff", {"instance_id": instance_id})
    cloud.await_state(instance_id, "terminated")


def test_only_prepared_instances_hibernate(cloud: CloudProcess) -> None:
    instance_id = cloud.running()["instance_id"]
    with pytest.raises(ClientError) as refused:
        cloud.client("ec2").stop_instances(InstanceIds=[instance_id], Hibernate=True)
    assert refused.value.response["Error"]["Code"] == "UnsupportedHibernationConfiguration"
    assert cloud.instance(instance_id)["state"] == "running"


def test_an_address_is_free_again_after_termination(cloud: CloudProcess) -> None:
    subnet = cloud.subnets["b"]

    def count() -> int:
        return int(
            cloud.client("ec2").describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"]
        )

    free = count()
    instance_id = cloud.run(SubnetId=subnet)["InstanceId"]
    assert count() == free - 1
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
    cloud.await_state(instance_id, "terminated")
    assert count() == free
