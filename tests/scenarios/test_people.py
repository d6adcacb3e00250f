"""Several people and several servers at once, and who may stop what."""

import pytest

from tests.scenarios.cloud import LocalCloud

pytestmark = pytest.mark.cloud


def test_two_users_and_a_named_server_have_machines_and_files_of_their_own(cloud: LocalCloud) -> None:
    heidi, ivan = cloud.person("heidi"), cloud.person("ivan")
    heidi.request_start()
    ivan.request_start()
    heidi.request_start("gpu", {"instance_type": "t4g.large"})
    heidi.await_ready()
    ivan.await_ready()
    heidi.await_ready("gpu")
    heidi.write("mine.txt", "heidi")
    ivan.write("mine.txt", "ivan")
    heidi.write("mine.txt", "heidi's gpu", server="gpu")

    assert heidi.read("mine.txt") == "heidi"
    assert ivan.read("mine.txt") == "ivan"
    assert heidi.read("mine.txt", server="gpu") == "heidi's gpu"
    keys = ("heidi", "ivan", "heidi/gpu")
    assert len({cloud.recorded(key)["instance"] for key in keys}) == len(keys)
    assert cloud.worker("heidi/gpu")["type"] == "t4g.large"


def test_pressing_stop_stops_the_machine_by_an_event(cloud: LocalCloud) -> None:
    """The hub only sends an event; the lifecycle app stops. The default server beside the named one goes on."""
    judy = cloud.person("judy")
    judy.request_start("other")
    judy.start()
    judy.await_ready("other")
    judy.stop("other")
    stopped = cloud.await_state("judy/other", "stopped")
    assert "judy" in stopped["evidence"]
    assert cloud.stopped_by("judy/other") == {"person"}
    assert cloud.worker("judy")["state"] == "running"
    assert not stopping_calls_of_the_hub(cloud)


def test_an_admin_stops_the_server_of_another(cloud: LocalCloud) -> None:
    oscar, admin = cloud.person("oscar"), cloud.person("carol", admin=True)
    oscar.start()
    admin.hub("DELETE", "users/oscar/server").raise_for_status()
    cloud.await_state("oscar", "stopped")
    nosy = cloud.person("trent")
    assert nosy.hub("DELETE", "users/oscar/server").status_code in {403, 404}, "others may not"


def stopping_calls_of_the_hub(cloud: LocalCloud) -> list[object]:
    return [
        call
        for action in ("StopInstances", "TerminateInstances")
        for call in cloud.calls(action)
        if "manager" in call["principal"]
    ]
