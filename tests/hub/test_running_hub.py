"""The real hub and proxy as processes against an emulated AWS, told as one user's story after the other."""

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from bootstrap.aws import secrets as rotated
from bootstrap.aws.secrets import MAKERS
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.contract import OPERATOR_TOKEN
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import message
from lifecycle_app.model.policy_record import PolicyRecord
from lifecycle_app.model.worker import State, Worker
from tests.hub.browser import Browser
from tests.hub.emulated import CLUSTER, HUB_ADDRESS, NETWORK, Emulated, emulated
from tests.hub.machine import Machine, boot, fetch, proof_of
from tests.shared.waiting import PATIENCE, until

API = f"http://{HUB_ADDRESS}:8081/hub/api"
HOSTILE = "$(touch x);'\"& `id` | *"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """AWS, the proxy and the hub."""
    with emulated(tmp_path_factory.mktemp("hub")) as found:
        found.start_hub()
        yield found


@pytest.fixture
def store(hub: Emulated) -> WorkerStore:
    """The records, written as the lifecycle app writes them."""
    return WorkerStore(CLUSTER)


def now() -> datetime:
    return datetime.now(UTC)


def record(machine: Machine, user: str, state: State, **more: Any) -> Worker:
    """A record of the user's worker."""
    known = {
        "key": user,
        "instance_id": machine.instance_id,
        "version": 0,
        "changed_at": now(),
        "state_at": now(),
    }
    return Worker(**{**known, "state": state, **more})


def drain(
    emulated: Emulated, user: str, machine: Machine, mode: str, since: datetime, **more: Any
) -> dict[str, Any]:
    """What the lifecycle app asks."""
    known = {"worker": user, "instance_id": machine.instance_id, "since": since.timestamp(), "mode": mode}
    known |= {"claimed_at": now().timestamp()}
    body = {**known, **more}
    headers = {"Authorization": f"token {emulated.secrets['lifecycle-token']}"}
    answer = requests.post(f"{API}/cloudjhub/drain", json=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def spawned(hub: Emulated, user: str, machines: list[Machine]) -> tuple[Browser, Machine]:
    """A user who has logged in and whose server runs."""
    browser = Browser(hub.public_url)
    assert browser.log_in(user).status_code == 302
    browser.page("/hub/spawn")
    machine = boot(hub, user, machines)
    until(lambda: browser.server().get("ready"))
    return browser, machine


def test_first_login_launches_one_instance_and_gives_it_its_own_environment(
    hub: Emulated, machines: list[Machine]
) -> None:
    _, machine = spawned(hub, "ada", machines)
    assert len(hub.instances_of("ada")) == 1
    assert machine.environment["JUPYTERHUB_USER"] == "ada"
    assert machine.environment["JUPYTERHUB_SERVICE_PREFIX"] == "/user/ada/"
    token = {"Authorization": f"token {machine.environment['JUPYTERHUB_API_TOKEN']}"}
    assert requests.get(f"{API}/user", headers=token, timeout=PATIENCE).json()["name"] == "ada"


def launch(emulated: Emulated, body: Any, token: str = OPERATOR_TOKEN) -> requests.Response:
    """What `workers prepare` asks for; without a body, what instances are launched with."""
    headers = {"Authorization": f"token {emulated.secrets[token]}"}
    method = "GET" if body is None else "POST"
    return requests.request(method, f"{API}/cloudjhub/launch", json=body, headers=headers, timeout=20)


def test_the_operator_has_a_machine_launched_that_the_first_login_takes(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    said = launch(hub, None).json()
    assert (said["types"], len(said["subnets"])) == (["t3.medium"], 2)
    launched = launch(hub, {"user": "Early", "instance_type": "t3.medium"}).json()
    [instance] = hub.instances_of("early")
    assert launched == {"instance_id": instance["InstanceId"], "problem": ""}
    assert launch(hub, {"user": "early"}).json()["instance_id"] is None, "it has one"
    # The lifecycle app records it before it has booted.
    known: Any = {"key": "early", "instance_id": instance["InstanceId"], "state": State.PENDING, "version": 0}
    store.put(Worker(**known, changed_at=now(), state_at=now()), now())
    _, machine = spawned(hub, "early", machines)
    assert machine.instance_id == instance["InstanceId"]
    assert launch(hub, {"user": "early"}).json()["instance_id"] is None, "its server runs"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ([], 400),
        ({"user": 1}, 400),
        ({"user": "a/b"}, 400),
        ({"user": "zoe", "instance_type": "p5.48xlarge"}, 400),
        ({"user": "zoe", "instance_type": ["t3.medium", "t3.medium"]}, 400),
        ({"user": "z" * 5000}, 413),
    ],
)
def test_a_launch_that_cannot_be_is_refused(hub: Emulated, body: Any, status: int) -> None:
    assert launch(hub, body).status_code == status
    assert hub.instances_of("zoe") == []


def test_only_the_operators_token_launches(hub: Emulated) -> None:
    assert launch(hub, {"user": "zoe"}, "lifecycle-token").status_code == 403
    assert launch(hub, None, "lifecycle-token").status_code == 403
    browser = Browser(hub.public_url)
    assert browser.log_in("boss", hub.secrets["hub/admin-password"]).status_code == 302
    assert browser.api("POST", "/cloudjhub/launch", json={"user": "zoe"}).status_code == 403
    assert hub.instances_of("zoe") == []


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        # Behind the proxy. The web server replaces X-Forwarded-For; here the browser itself has a trusted address.
        ("", {"X-Real-Ip": "9.9.9.1"}),
        # A worker reaches the hub without it.
        (f"http://{HUB_ADDRESS}:8081", {"X-Real-Ip": "9.9.9.2", "X-Forwarded-For": "9.9.9.3"}),
    ],
)
def test_an_address_that_the_sender_names_is_not_believed(
    hub: Emulated, url: str, headers: dict[str, str]
) -> None:
    browser = Browser(url or hub.public_url, f"{NETWORK}.0.77" if url else "")
    browser.claim(headers)
    assert browser.log_in("forger", "wrong password").status_code == 403
    log = hub.log("hub")
    assert "Failed login for 'forger'" in log
    assert not [address for address in headers.values() if address in log]


def test_hostile_name_gets_its_own_machine_and_reaches_no_shell(
    hub: Emulated, machines: list[Machine], tmp_path: Path
) -> None:
    _, machine = spawned(hub, HOSTILE, machines)
    assert machine.environment["JUPYTERHUB_USER"] == HOSTILE
    assert not (hub.directory / "x").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("a/../b", "character /"), ("..", "only of dots"), ("x" * 256, "too long"), ("a\u200bb", "U+200B")],
)
def test_refused_name_is_told_why(hub: Emulated, name: str, words: str) -> None:
    answer = Browser(hub.public_url).log_in(name)
    assert answer.status_code == 400
    assert words in answer.text


def test_killed_hub_knows_its_servers_again(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    browser, machine = spawned(hub, "bob", machines)
    store.put(record(machine, "bob", State.RUNNING), now())
    hub.start_hub()
    until(lambda: browser.server().get("ready"))
    assert browser.page("/user/bob/api").json() == {"version": "2"}
    assert len(hub.instances_of("bob")) == 1
    headers = {"Authorization": f"token {machine.environment['JUPYTERHUB_API_TOKEN']}"}
    assert requests.get(f"{API}/user", headers=headers, timeout=PATIENCE).ok


def test_hub_killed_during_a_start_finds_the_instance_again(hub: Emulated, machines: list[Machine]) -> None:
    browser = Browser(hub.public_url)
    browser.log_in("carol")
    browser.page("/hub/spawn")
    until(lambda: hub.instances_of("carol"))
    hub.start_hub()
    browser.page("/hub/spawn")
    until(lambda: browser.server().get("pending") == "spawn")
    boot(hub, "carol", machines)
    until(lambda: browser.server().get("ready"))
    assert len(hub.instances_of("carol")) == 1


def test_server_is_released_only_when_nothing_happened_and_the_page_says_why(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    browser, machine = spawned(hub, "dora", machines)
    asked = now()
    said = drain(hub, "dora", machine, "idle", asked - timedelta(hours=1))
    assert (said["drained"], "started since" in said["reason"]) == (False, True)
    machine.activity["level"] = 2
    assert not drain(hub, "dora", machine, "idle", asked)["drained"]
    machine.activity |= {"level": 0, "last_interaction": (asked + timedelta(seconds=1)).timestamp()}
    assert not drain(hub, "dora", machine, "unattended", asked)["drained"]
    assert browser.server()["ready"]

    machine.activity |= {"level": 0, "last_interaction": None}
    assert drain(hub, "dora", machine, "idle", asked)["drained"]
    assert machine.asked_with[-1] == f"token {machine.environment['JUPYTERHUB_API_TOKEN']}"
    assert not browser.server().get("ready")
    why = message("idle", timeout=timedelta(hours=1), last_used=now() - timedelta(hours=1))
    store.put(record(machine, "dora", State.STOPPED, stop_reason="idle", message=why), now())
    store.add_history(
        Entry(
            key="dora", at=now(), kind=Kind.STOP, reason="idle", message=why, instance_id=machine.instance_id
        )
    )
    page = browser.page("/user/dora/lab")
    assert page.status_code == 424
    assert "Not used for 1 hour (last used <time datetime=" in page.text
    assert "Stopped <time datetime=" in page.text
    assert 'href="/hub/spawn/dora' in page.text
    assert "Not used for 1 hour (last used <time datetime=" in browser.page("/hub/home").text
    assert "Stop Requested" not in hub.log("hub")


def test_login_during_a_claim_waits_and_goes_on_with_the_same_instance(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    browser, machine = spawned(hub, "emil", machines)
    assert drain(hub, "emil", machine, "regardless", now())["drained"]
    claim = {"claimed_until": now() + timedelta(minutes=5), "address": machine_address(hub, "emil")}
    claimed = store.put(record(machine, "emil", State.STOPPING, **claim), now())
    browser.page("/hub/spawn")
    refused = until(lambda: drain(hub, "emil", machine, "regardless", now()))
    assert not refused["drained"]
    assert browser.server()["pending"] == "spawn"
    store.put(replace(claimed, state=State.RUNNING, claimed_until=None), now())
    until(lambda: browser.server().get("ready"))
    assert len(hub.instances_of("emil")) == 1


def test_hub_killed_before_it_attached_the_home_serves_no_user_without_it(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    browser, machine = spawned(hub, "femi", machines)
    drain(hub, "femi", machine, "regardless", now())
    ec2 = hub.client("ec2")
    zone = hub.instances_of("femi")[0]["Placement"]["AvailabilityZone"]
    home = ec2.create_volume(AvailabilityZone=zone, Size=3)["VolumeId"]
    known = {"address": machine_address(hub, "femi"), "home_volume": home, "home_attached": False}
    store.put(record(machine, "femi", State.RUNNING, **known), now())
    hub.start_hub()
    browser.page("/hub/spawn")
    until(lambda: browser.server().get("ready"))
    attachments = ec2.describe_volumes(VolumeIds=[home])["Volumes"][0]["Attachments"]
    assert [one["InstanceId"] for one in attachments] == [machine.instance_id]


def disks_of(hub: Emulated, user: str) -> dict[str, str]:
    """The volumes of a user's instances, by device; the emulator adds them one after the other."""
    mappings = [one["BlockDeviceMappings"] for one in hub.instances_of(user)]
    return {disk["DeviceName"]: disk["Ebs"]["VolumeId"] for disks in mappings for disk in disks}


def test_files_of_an_earlier_day_are_shown_beside_the_home_of_a_new_machine(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    """Chosen on the home page, which offers another user's backups to that user alone."""
    ec2, zone = hub.client("ec2"), "us-east-1a"
    made = {}
    for user in ("yara", "zeno"):
        home = ec2.create_volume(AvailabilityZone=zone, Size=3)["VolumeId"]
        tags = {"cluster": CLUSTER, "role": "worker", "user": user, "server": ""}
        listed = [{"Key": f"cloudjhub:{key}", "Value": value} for key, value in tags.items()]
        backup = ec2.create_snapshot(
            VolumeId=home, TagSpecifications=[{"ResourceType": "snapshot", "Tags": listed}]
        )
        made[user] = (home, backup["SnapshotId"])
        known = {"key": user, "instance_id": "i-0ea511e5da1ef11e5", "version": 0, "zone": zone}
        gone: Any = {**known, "state": State.TERMINATED, "home_volume": home}
        store.put(Worker(**gone, changed_at=now(), state_at=now()), now())
    browser = Browser(hub.public_url)
    assert browser.log_in("yara").status_code == 302
    page = until(
        lambda: found if "files of an earlier day" in (found := browser.page("/hub/home").text) else ""
    )
    assert made["yara"][1] in page
    assert made["zeno"][1] not in page
    [action] = re.findall(r'data-earlier.*?action="([^"]+)"', page, re.DOTALL)
    assert browser.press(action, backup=made["yara"][1]).ok
    disks = until(lambda: found if "/dev/sdy" in (found := disks_of(hub, "yara")) else None)
    [copy] = ec2.describe_volumes(VolumeIds=[disks["/dev/sdy"]])["Volumes"]
    assert (copy["SnapshotId"], copy["Size"], copy["Encrypted"]) == (made["yara"][1], 3, True)
    boot(hub, "yara", machines)
    until(lambda: browser.server().get("ready"))
    [attached] = ec2.describe_volumes(VolumeIds=[made["yara"][0]])["Volumes"][0]["Attachments"]
    assert attached["Device"] == "/dev/sdf", "the home is attached as ever"


def test_stopped_instance_is_started_again(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    browser, machine = spawned(hub, "fred", machines)
    drain(hub, "fred", machine, "regardless", now())
    ec2 = hub.client("ec2")
    ec2.stop_instances(InstanceIds=[machine.instance_id])
    machine.shut_down()
    store.put(record(machine, "fred", State.STOPPED, address=machine_address(hub, "fred")), now())
    browser.page("/hub/spawn")
    machine.boot_again(hub)
    until(lambda: browser.server().get("ready"))
    assert [one["State"]["Name"] for one in hub.instances_of("fred")] == ["running"]


def test_a_token_ends_with_its_server_and_does_not_come_back(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    """Stopped, started again, revoked: each time with a restart of the hub in between."""
    browser, machine = spawned(hub, "tess", machines)
    first = token_of(machine)
    hub.start_hub()
    until(lambda: browser.server().get("ready"))
    assert fetch(proof_of(hub, machine.instance_id)).json()["env"]["JUPYTERHUB_API_TOKEN"] == first
    assert is_accepted(first)
    assert drain(hub, "tess", machine, "regardless", now())["drained"]
    assert not is_accepted(first)
    hub.client("ec2").stop_instances(InstanceIds=[machine.instance_id])
    machine.shut_down()
    store.put(record(machine, "tess", State.STOPPED, address=machine_address(hub, "tess")), now())
    hub.start_hub()
    browser.page("/hub/spawn")
    machine.boot_again(hub)
    until(lambda: browser.server().get("ready"))
    second = token_of(machine)
    assert (is_accepted(first), is_accepted(second)) == (False, True)

    revoke(hub, "tess", second)
    until(lambda: "the token of its server was revoked" in hub.log("hub"))
    until(lambda: not browser.server().get("ready"))
    hub.start_hub()
    assert not browser.server().get("ready")
    assert not is_accepted(second)


def test_a_released_server_that_runs_on_is_asked_with_a_token_of_the_hubs(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    """Its stop failed. It can still be asked, so it is still stopped when idle; its own token stays worthless."""
    _, machine = spawned(hub, "rosa", machines)
    store.put(record(machine, "rosa", State.RUNNING, address=machine_address(hub, "rosa")), now())
    assert drain(hub, "rosa", machine, "regardless", now())["drained"]
    machine.verify_at = f"{API}/user"
    until(lambda: drain(hub, "rosa", machine, "idle", now())["reason"] == "no activity since")
    assert machine.verified[-1] == 200
    assert not is_accepted(machine.asked_with[-1].removeprefix("token "))
    assert not is_accepted(token_of(machine))


def test_rotated_secrets_end_the_old_ones(hub: Emulated, machines: list[Machine]) -> None:
    """As the new manager's hub finds them. Its database still has all that the old one made."""
    browser, machine = spawned(hub, "rota", machines)
    old, token = dict(hub.secrets), token_of(machine)
    assert [authorized(old[name]) for name in SERVICES] == [200, 200]
    ssm = hub.client("ssm")
    for name in (*SERVICES, "hub/cookie-secret", "hub/worker-token-key", "hub/admin-password"):
        hub.secrets[name] = MAKERS[name]()
        rotated.put(ssm, CLUSTER, name, hub.secrets[name])
    hub.start_hub()
    assert [authorized(old[name]) for name in SERVICES] == [403, 403]
    assert [authorized(hub.secrets[name]) for name in SERVICES] == [200, 200]
    assert "/hub/login" in browser.page("/hub/home").url, "logged out"
    assert Browser(hub.public_url).log_in("boss", old["hub/admin-password"]).status_code == 403
    until(lambda: "rota: stop of" in hub.log("hub"))
    assert not is_accepted(token)
    assert machine.instance_id in hub.log("hub")


SERVICES = ("lifecycle-token", OPERATOR_TOKEN)


def authorized(token: str) -> int:
    """Who am I, as a service?"""
    headers = {"Authorization": f"token {token}"}
    return requests.get(f"{API}/user", headers=headers, timeout=PATIENCE).status_code


def token_of(machine: Machine) -> str:
    return machine.environment["JUPYTERHUB_API_TOKEN"]


def is_accepted(token: str) -> bool:
    headers = {"Authorization": f"token {token}"}
    return requests.get(f"{API}/user", headers=headers, timeout=PATIENCE).status_code == 200


def revoke(emulated: Emulated, user: str, token: str) -> None:
    """As an administrator does on the page of the user's tokens."""
    boss = Browser(emulated.public_url)
    assert boss.log_in("boss", emulated.secrets["hub/admin-password"]).status_code == 302
    every = boss.api("GET", f"/users/{user}/tokens").json()["api_tokens"]
    [found] = [one for one in every if one["note"] == f"Server of worker {user}"]
    assert is_accepted(token)
    assert boss.api("DELETE", f"/users/{user}/tokens/{found['id']}").status_code == 204


def test_stop_asks_by_an_event_and_stops_nothing_itself(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    browser, machine = spawned(hub, "gina", machines)
    boss = Browser(hub.public_url)
    assert boss.log_in("boss", hub.secrets["hub/admin-password"]).status_code == 302
    assert boss.api("DELETE", "/users/gina/server").status_code in (202, 204)
    until(lambda: f"gina: stop of {machine.instance_id} requested by boss" in hub.log("hub"))
    assert [one["State"]["Name"] for one in hub.instances_of("gina")] == ["running"]
    assert not browser.server().get("ready")


def request(machine: Machine | str, what: str, body: Any) -> requests.Response:
    """What a machine's own server requests of the hub, or another holder of a token."""
    token = machine if isinstance(machine, str) else machine.environment["JUPYTERHUB_API_TOKEN"]
    headers = {"Authorization": f"token {token}"}
    return requests.post(f"{API}/cloudjhub/{what}", json=body, headers=headers, timeout=PATIENCE)


def test_a_machine_is_kept_by_its_own_token_once_the_record_says_so(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    browser, machine = spawned(hub, "kept", machines)
    store.put(record(machine, "kept", State.RUNNING), now())
    until_then = now() + timedelta(hours=1)

    def answered() -> bool:
        asked = re.search(
            rf"kept: kept asks to keep {machine.instance_id} for 3600 s \((\w+)\)", hub.log("hub")
        )
        if asked is None:
            return False
        # A drain is refused meanwhile, and the server stays.
        assert not drain(hub, "kept", machine, "idle", now())["drained"]
        known = store.get("kept")
        assert known is not None
        store.put(replace(known, keep_request=asked[1], keep_until=until_then), now())
        return True

    with ThreadPoolExecutor(1) as threads:
        sent = threads.submit(request, machine, "keep", {"seconds": 3600})
        until(answered)
        answer = sent.result().json()
    assert answer.keys() == {"kept_until"}
    assert abs(answer["kept_until"] - until_then.timestamp()) < 1
    headers = {"Authorization": f"token {machine.environment['JUPYTERHUB_API_TOKEN']}"}
    told = requests.get(f"{API}/cloudjhub/terms", headers=headers, timeout=PATIENCE).json()
    assert (told["keep_until"], told["keep_limit"]) == (answer["kept_until"], 14400)
    token = browser.api("POST", "/users/kept/tokens", json={}).json()["token"]
    assert request(token, "keep", {"seconds": 60}).status_code == 403, "of the user, but of no server"
    assert request(machine, "keep", {"seconds": "60"}).status_code == 400
    assert request(machine, "keep", {"seconds": 60, "more": "x" * 1000}).status_code == 413
    claimed = store.get("kept")
    assert claimed is not None
    store.put(replace(claimed, state=State.STOPPING, claimed_until=now() + timedelta(minutes=5)), now())
    assert request(machine, "keep", {"seconds": 60}).json()["refused"] == "too-late"
    assert browser.server()["ready"], "the claim is for the lifecycle app to end"


def test_a_machine_is_stopped_by_its_own_token_in_the_hubs_own_way(
    hub: Emulated, machines: list[Machine]
) -> None:
    browser, machine = spawned(hub, "halt", machines)
    assert request(machine, "stop", {}).json() == {"stopping": True}
    until(lambda: f"halt: stop of {machine.instance_id} requested by halt" in hub.log("hub"))
    assert not browser.server().get("ready")
    assert request(machine, "keep", {"seconds": 60}).status_code == 403, "its token has ended with its server"


def test_stop_while_the_machine_boots_asks_for_the_stop_of_that_machine(hub: Emulated) -> None:
    browser = Browser(hub.public_url)
    browser.log_in("mona")
    browser.page("/hub/spawn")
    instance = until(lambda: hub.instances_of("mona"))[0]["InstanceId"]
    assert browser.api("DELETE", "/users/mona/server").status_code in (202, 204)
    until(lambda: f"mona: stop of {instance} requested by mona" in hub.log("hub"))
    assert not browser.server().get("pending")


def test_pages_of_other_origins_can_only_open_a_page_of_the_hub(hub: Emulated) -> None:
    """Whatever they know: here the cookie and the XSRF token are right."""
    browser = Browser(hub.public_url)
    browser.log_in("olive")
    assert browser.page("/hub/home").headers["Cross-Origin-Opener-Policy"] == "same-origin"
    browser.claim({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"})
    assert browser.page("/hub/home").status_code == 403
    assert browser.page("/hub/api/user").status_code == 403
    assert browser.submit("/hub/spawn", {}).status_code == 403
    browser.claim({"Sec-Fetch-Mode": "navigate"})
    refused = browser.submit("/hub/spawn", {})
    assert (refused.status_code, "A page of another address made this request" in refused.text) == (403, True)
    assert browser.page("/hub/home").status_code == 200
    browser.claim({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"})
    assert browser.api("GET", "/user").json()["name"] == "olive"


@pytest.mark.parametrize(
    ("then", "follows"),
    [
        ("/user/mallory/x.html", "/hub/home"),
        ("/hub/login?next=/hub/user/mallory/x.html", "/hub/home"),
        ("/user/olive/lab", "/user/olive/lab"),
        ("/hub/token", "/hub/token"),
    ],
)
def test_a_login_leads_to_no_other_users_server(hub: Emulated, then: str, follows: str) -> None:
    browser = Browser(hub.public_url)
    location = browser.log_in("olive", then=then).headers["Location"]
    if location.startswith("/hub/login"):
        location = browser.first_step(location)
    assert location == follows


@pytest.mark.parametrize("then", ["https://evil.example/", "//evil.example/", "/\\evil.example/"])
def test_a_login_leads_to_no_other_host(hub: Emulated, then: str) -> None:
    location = Browser(hub.public_url).log_in("olive", then=then).headers["Location"]
    assert re.fullmatch(r"/[^/\\].*", location)


def test_administrator_sees_all_workers_and_no_other_does(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    boss, user = Browser(hub.public_url), Browser(hub.public_url)
    boss.log_in("boss", hub.secrets["hub/admin-password"])
    user.log_in("hans")
    assert 'id="workers"' in boss.page("/hub/workers").text
    assert user.page("/hub/workers").status_code == 403


def test_metrics_are_for_those_with_the_scope(hub: Emulated) -> None:
    boss, user = Browser(hub.public_url), Browser(hub.public_url)
    boss.log_in("boss", hub.secrets["hub/admin-password"])
    user.log_in("hans")
    assert user.page("/hub/metrics").status_code == 403
    said = boss.page("/hub/metrics").text
    assert re.search(r'^cloudjhub_machines\{state="running"\} \d', said, re.MULTILINE)
    assert "# TYPE cloudjhub_starts_total counter" in said


def test_administrators_read_that_users_share_an_origin(hub: Emulated) -> None:
    boss, user = Browser(hub.public_url), Browser(hub.public_url)
    boss.log_in("boss", hub.secrets["hub/admin-password"])
    user.log_in("hans")
    for page in ("/hub/admin", "/hub/workers", "/hub/home"):
        assert "Users can take over each other&#39;s accounts" in boss.page(page).text
    assert 'id="shared-origin"' not in user.page("/hub/home").text


def test_environment_is_for_its_own_instance_only(hub: Emulated, machines: list[Machine]) -> None:
    _, machine = spawned(hub, "ines", machines)
    good = proof_of(hub, machine.instance_id)
    assert fetch(good).status_code == 200
    assert fetch(good).status_code == 401, "used before"
    assert fetch(proof_of(hub, machine.instance_id, hub_name="other")).status_code == 401
    assert fetch(proof_of(hub, machine.instance_id, role="other")).status_code == 401
    assert fetch(proof_of(hub, "another")).status_code == 401
    assert fetch(proof_of(hub, "i-0123456789abcdef0")).status_code == 403
    assert fetch({}).status_code == 401
    assert fetch("nonsense").status_code == 401


def test_problem_that_a_worker_reports_gives_it_no_environment(
    hub: Emulated, machines: list[Machine]
) -> None:
    """It is taken from the machine itself only, and words that no worker says are not taken for one."""
    _, machine = spawned(hub, "inga", machines)
    reported = fetch({**proof_of(hub, machine.instance_id), "problem": "home"})
    assert (reported.status_code, reported.content) == (204, b"")
    assert fetch({**proof_of(hub, "another"), "problem": "home"}).status_code == 401
    assert fetch({**proof_of(hub, machine.instance_id), "problem": ["<b>"]}).json()["env"]


def test_environment_is_given_on_the_private_network_only(hub: Emulated, machines: list[Machine]) -> None:
    """Through the proxy anybody could ask, and headers could tell any source."""
    _, machine = spawned(hub, "ivan", machines)
    proof = proof_of(hub, machine.instance_id)
    public = f"{hub.public_url}/hub/api/cloudjhub/environment"
    assert requests.post(public, json=proof, timeout=PATIENCE).status_code == 404
    for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
        assert fetch(proof, **{header: "127.191.1.4"}).status_code == 404
    assert fetch(proof).status_code == 200


def test_drain_of_a_worker_that_answers_but_does_not_tell_says_so(
    hub: Emulated, machines: list[Machine]
) -> None:
    _, machine = spawned(hub, "jana", machines)
    asked = now()
    machine.status = 403
    said = drain(hub, "jana", machine, "idle", asked)
    assert (said["drained"], said["evidence"]) == (False, {"answers": True})
    machine.status = 200
    machine.activity["observed_at"] = (asked - timedelta(hours=1)).timestamp()
    said = drain(hub, "jana", machine, "unattended", asked)
    assert (said["drained"], said["evidence"], "clock" in said["reason"]) == (False, {"answers": True}, True)
    del machine.activity["observed_at"]
    machine.activity["level"] = 1
    assert not drain(hub, "jana", machine, "idle", asked)["drained"]
    said = drain(hub, "jana", machine, "idle", asked, counts=2)
    assert said["drained"]
    assert said["evidence"]["observed_at"] >= asked.timestamp()


def test_drain_needs_its_own_scope(hub: Emulated, machines: list[Machine]) -> None:
    _, machine = spawned(hub, "jan", machines)
    body = {"worker": "jan", "instance_id": machine.instance_id, "since": 0, "mode": "regardless"}
    token = {"Authorization": f"token {machine.environment['JUPYTERHUB_API_TOKEN']}"}
    assert requests.post(f"{API}/cloudjhub/drain", json=body, timeout=PATIENCE).status_code == 403
    assert (
        requests.post(f"{API}/cloudjhub/drain", json=body, headers=token, timeout=PATIENCE).status_code == 403
    )


def test_a_servers_token_reaches_nothing_of_another_user(hub: Emulated, machines: list[Machine]) -> None:
    Browser(hub.public_url).log_in("victim")
    _, machine = spawned(hub, "jill", machines)
    token = {"Authorization": f"token {machine.environment['JUPYTERHUB_API_TOKEN']}"}
    activity = {"last_activity": "2030-01-01T00:00:00Z", "servers": {}}
    launch = {"user": "victim"}

    def answer(method: str, path: str, body: Any = None) -> int:
        return requests.request(method, API + path, json=body, headers=token, timeout=PATIENCE).status_code

    for method, path, body in (
        ("GET", "/users", None),
        ("GET", "/users/victim", None),
        ("POST", "/users/victim/server", None),
        ("DELETE", "/users/victim/server", None),
        ("POST", "/users/victim/activity", activity),
        ("POST", "/users/victim/tokens", {}),
        ("POST", "/users/jill/tokens", {"scopes": ["access:servers!user=victim"]}),
        ("PATCH", "/users/jill", {"admin": True}),
        ("POST", "/cloudjhub/launch", launch),
    ):
        assert answer(method, path, body) in (403, 404), (method, path)
    assert answer("POST", "/users/jill/activity", {"last_activity": "2020-01-01T00:00:00Z"}) == 200


def test_a_cookie_alone_changes_nothing_and_scripts_do_not_see_it(hub: Emulated) -> None:
    """Another page's request has the cookie, but not the XSRF token."""
    browser = Browser(hub.public_url)
    cookies = [one for one in browser.log_in("olive").cookies if one.name.startswith("jupyterhub-hub-login")]
    assert cookies
    assert all(one.has_nonstandard_attr("HttpOnly") for one in cookies)
    assert all(one.get_nonstandard_attr("SameSite") == "Lax" for one in cookies)
    headers = {"Cookie": "; ".join(f"{one.name}={one.value}" for one in cookies)}
    for path in ("/spawn", "/api/users/olive/server", "/api/users/olive/tokens", "/api/cloudjhub/drain"):
        answer = requests.post(f"{hub.public_url}/hub{path}", headers=headers, timeout=PATIENCE)
        assert answer.status_code == 403, path
    assert not hub.instances_of("olive")


def test_unknown_option_is_refused_at_once(hub: Emulated) -> None:
    browser = Browser(hub.public_url)
    browser.log_in("kim")
    answer = browser.api("POST", "/users/kim/server", json={"instance_type": "p5.48xlarge"})
    assert answer.status_code == 400
    assert "Unknown machine type" in answer.json()["message"]
    assert not hub.instances_of("kim")


BODIES = {
    "60 KB": '{"instance_type": "%s"}' % ("x" * 60_000),
    "a name of 60 KB": '{"%s": 1}' % ("x" * 60_000),
    "nesting of 200": f'{{"instance_type": {"[" * 200 + "]" * 200}}}',
    "nesting of 900": f'{{"instance_type": {"[" * 900 + "]" * 900}}}',
    "nesting of 1,000": f'{{"instance_type": {"[" * 1000 + "]" * 1000}}}',
    "nesting of 60,000": "[" * 60_000,
    "a list": '["t3.medium"]',
    "a number": "5",
    "another type": '{"instance_type": 5}',
    "null": '{"instance_type": null}',
    "NaN": '{"instance_type": NaN}',
    "two types": '{"instance_type": ["t3.medium", "t3.large"]}',
    "a type that is not offered": '{"instance_type": "p5.48xlarge"}',
    "a type in capitals": '{"instance_type": "T3.MEDIUM"}',
    "another option": '{"image": "ami-1"}',
    "options that are a list": '{"user_options": []}',
    "options beside others": '{"user_options": {"instance_type": "x"}, "display_name": "y"}',
    "no JSON": "instance_type=t3.medium",
    "no UTF-8": b'{"instance_type": "\xff"}',
    "half a character": '{"instance_type": "\\ud800"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_hostile_options_are_refused_in_a_line_and_launch_nothing(hub: Emulated, body: str | bytes) -> None:
    browser = Browser(hub.public_url)
    browser.log_in("kate")
    answer = browser.api("POST", "/users/kate/server", data=body)
    message = answer.json()["message"]
    assert (answer.status_code, "\n" in message, len(message) < 300) == (400, False, True), message
    assert not browser.server().get("pending")
    assert not hub.instances_of("kate")


def test_what_users_have_the_hub_keep_is_short(hub: Emulated, machines: list[Machine]) -> None:
    """Tokens' notes and scopes, servers' options and names for people, parameters of OAuth."""
    browser, _ = spawned(hub, "keep", machines)
    assert browser.api("PUT", "/users/keep/servers/gpu").status_code == 201
    own = "access:servers!server=keep/"
    tokens: list[dict[str, Any]] = [
        {"note": "x" * 256},
        {"note": "x" * 60_000},
        {"note": {"a": "b"}},
        {"note": "a\nb"},
        {"note": "Server of worker keep"},
        {"scopes": [own + "x" * 5000]},
        {"scopes": [f"{own}{number}" for number in range(200)]},
        {"expires_in": 10**12},
        {"expires_in": -1},
    ]
    for sent in tokens:
        answer = browser.api("POST", "/users/keep/tokens", json=sent)
        assert (answer.status_code, len(answer.json()["message"]) < 200) == (400, True), answer.text
    servers: list[dict[str, Any]] = [
        {"display_name": "x" * 256},
        {"display_name": "a\nb"},
        {"user_options": {"a": "x" * 60_000}},
    ]
    for sent in servers:
        for method in ("PATCH", "POST"):
            answer = browser.api(method, "/users/keep/servers/gpu", json=sent)
            assert (answer.status_code, len(answer.json()["message"]) < 200) == (400, True), answer.text
    assert browser.server("gpu")["user_options"] == {}
    assert browser.api("POST", "/users/keep/tokens", json={"note": "x" * 255}).status_code == 201
    challenges = {"code_challenge": "x" * 3000}, {"code_challenge": "x" * 43, "code_challenge_method": "S256"}
    assert [browser.enter_server("keep", **one) for one in challenges] == [400, 302]


@pytest.mark.parametrize("size", [70_000, 1_000_000, 50_000_000])
def test_a_body_that_is_too_long_is_refused_unread(hub: Emulated, size: int) -> None:
    browser = Browser(hub.public_url)
    browser.log_in("kim")
    with suppress(requests.ConnectionError):  # the hub may close the connection while the browser still sends
        assert browser.api("POST", "/users/kim/server", data="x" * size).status_code in (400, 502, 503)
    assert not browser.server().get("pending")
    assert not hub.instances_of("kim")


def test_a_body_that_claims_to_be_too_long_is_refused_before_it_comes(hub: Emulated) -> None:
    """As a worker can, without a proxy."""
    for size, is_refused in ((65_537, True), (65_536, False)):
        with socket.create_connection((HUB_ADDRESS, 8081), timeout=PATIENCE) as connection:
            request = f"POST /hub/login HTTP/1.1\r\nHost: {HUB_ADDRESS}\r\nContent-Length: {size}\r\n\r\n"
            connection.sendall(request.encode())
            connection.settimeout(10)
            if is_refused:
                assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
                continue
            connection.settimeout(1)
            with pytest.raises(TimeoutError):
                connection.recv(4096)


@pytest.mark.parametrize("chosen", ["p5.48xlarge", "x" * 60_000, "<script>", ""], ids=lambda one: one[:9])
def test_hostile_form_is_shown_again_and_launches_nothing(hub: Emulated, chosen: str) -> None:
    browser = Browser(hub.public_url)
    browser.log_in("kurt")
    answer = browser.submit("/hub/spawn/kurt", {"instance_type": chosen})
    assert (answer.status_code, "Unknown machine type" in answer.text) == (400, True)
    assert (len(answer.content) < 50_000, "'<script>" in answer.text) == (True, False)
    assert not hub.instances_of("kurt")


def test_named_server_has_its_own_instance_beside_the_default_one(
    hub: Emulated, machines: list[Machine]
) -> None:
    browser, machine = spawned(hub, "lea", machines)
    assert browser.api("POST", "/users/lea/servers/gpu").status_code in (201, 202)
    second = until(lambda: hub.instances_of("lea")[1:])[0]
    machines.append(Machine(hub, second["InstanceId"], second["PrivateIpAddress"]))
    until(lambda: browser.server("gpu").get("ready"))
    assert machines[-1].environment["JUPYTERHUB_SERVICE_PREFIX"] == "/user/lea/gpu/"
    assert machines[-1].environment["JUPYTERHUB_API_TOKEN"] != machine.environment["JUPYTERHUB_API_TOKEN"]


@pytest.mark.parametrize("name", ["$(touch x)", "a b", "GPU", "a\u200bb", "x" * 31])
def test_refused_name_of_a_server_is_told_what_is_possible(hub: Emulated, name: str) -> None:
    browser = Browser(hub.public_url)
    browser.log_in("vera")
    answer = browser.api("POST", f"/users/vera/servers/{quote(name)}")
    assert (answer.status_code, "lower-case letters a to z" in answer.json()["message"]) == (400, True)
    page = browser.page(f"/hub/spawn/vera/{quote(name)}")
    assert (page.status_code, "lower-case letters a to z" in page.text) == (400, True)
    assert not hub.instances_of("vera")


def test_server_keeps_its_name_but_may_be_shown_under_another(hub: Emulated) -> None:
    browser = Browser(hub.public_url)
    browser.log_in("nils")
    assert browser.api("PUT", "/users/nils/servers/gpu").status_code == 201
    answer = browser.api("PATCH", "/users/nils/servers/gpu", json={"name": "cpu"})
    assert (answer.status_code, "cannot be renamed" in answer.json()["message"]) == (400, True)
    assert browser.api("PATCH", "/users/nils/servers/gpu", json={"display_name": "Big"}).status_code == 200
    assert browser.server("gpu")["display_name"] == "Big"


def test_named_servers_are_limited(hub: Emulated) -> None:
    browser = Browser(hub.public_url)
    browser.log_in("olga")
    answers = [browser.api("PUT", f"/users/olga/servers/number-{n}").status_code for n in range(4)]
    assert answers == [201, 201, 201, 400]


def test_deleting_named_servers_frees_no_quota_while_their_machines_exist(
    hub: Emulated, store: WorkerStore
) -> None:
    """Create, delete, create: as many machines as servers are allowed, also when requests come at the same time."""
    browser = Browser(hub.public_url)
    browser.log_in("greedy")
    with ThreadPoolExecutor(8) as threads:
        names = [f"at-once-{number}" for number in range(8)]
        asked = list(threads.map(lambda name: browser.api("POST", f"/users/greedy/servers/{name}"), names))
    assert sorted(one.status_code for one in asked) == [202] * 3 + [400] * 5
    until(lambda: len(hub.instances_of("greedy")) == 3)
    for number in range(3):
        for name in names:
            answer = browser.api("DELETE", f"/users/greedy/servers/{name}", json={"remove": True})
            assert answer.status_code in (404, 409), answer.text
        refused = browser.api("POST", f"/users/greedy/servers/more-{number}")
        assert refused.status_code == 400
        assert "ask your administrator" in refused.json()["message"]
    assert len(hub.instances_of("greedy")) == 3


def test_a_deleted_server_counts_while_its_disk_exists(hub: Emulated, store: WorkerStore) -> None:
    """Deleted from the hub's database in whatever way: the records count."""
    browser = Browser(hub.public_url)
    browser.log_in("frida")
    records = {
        "gone": (State.TERMINATED, None), "kept": (State.TERMINATED, "vol-1"), "stopped": (State.STOPPED, "vol-2"),
        "running": (State.RUNNING, None),
    }  # fmt: skip
    for name, (state, disk) in records.items():
        known: Any = {"key": f"frida/{name}", "instance_id": f"i-{name}", "state": state, "home_volume": disk}
        store.put(Worker(**known, version=0, changed_at=now(), state_at=now()), now())
    boss = Browser(hub.public_url)
    boss.log_in("boss", hub.secrets["hub/admin-password"])
    until(lambda: "frida/kept" in boss.page("/hub/workers").text)
    assert browser.api("PUT", "/users/frida/servers/fourth").status_code == 400
    assert browser.api("PUT", "/users/frida/servers/kept").status_code == 201
    refused = browser.api("DELETE", "/users/frida/servers/kept", json={"remove": True})
    assert (refused.status_code, "cloudjhub workers" in refused.json()["message"]) == (409, True)
    ended = store.get("frida/kept")
    assert ended is not None
    store.put(replace(ended, home_volume=None), now())

    def deleted() -> int:
        return browser.api("DELETE", "/users/frida/servers/kept", json={"remove": True}).status_code

    # The hub reads the records each second, and refuses until it has read this one.
    until(lambda: deleted() == 204, "the deletion")


def test_user_with_a_machine_keeps_the_name_by_which_it_is_found(
    hub: Emulated, machines: list[Machine], store: WorkerStore
) -> None:
    boss = Browser(hub.public_url)
    boss.log_in("boss", hub.secrets["hub/admin-password"])
    for name in ("paul", "quinn", "rhea"):
        assert boss.api("POST", f"/users/{name}").status_code == 201
    assert boss.api("PATCH", "/users/paul", json={"name": "paula"}).status_code == 200
    worker = Worker(
        key="quinn",
        instance_id="i-0000aaaa",
        state=State.STOPPED,
        state_at=now(),
        version=0,
        changed_at=now(),
    )
    store.put(worker, now())
    store.put(replace(worker, key="rhea/gpu", instance_id="i-0000bbbb"), now())
    answer = boss.api("PATCH", "/users/quinn", json={"name": "queen"})
    assert (answer.status_code, "cannot be renamed" in answer.json()["message"]) == (409, True)
    until(lambda: "rhea/gpu" in boss.page("/hub/workers").text)
    assert boss.api("PATCH", "/users/rhea", json={"name": "rose"}).status_code == 409
    user = Browser(hub.public_url)
    user.log_in("quinn")
    assert user.api("PATCH", "/users/quinn", json={"name": "queen"}).status_code in (403, 404)
    assert boss.api("PATCH", "/users/quinn", json={"admin": False}).status_code == 200


def machine_address(emulated: Emulated, user: str) -> str:
    address: str = emulated.instances_of(user)[0]["PrivateIpAddress"]
    return address


def set_scope(hub: Emulated, scope: str, text: str) -> None:
    """As the operator's command line sets it."""
    table = hub.client("dynamodb")
    item = {"scope": {"S": scope}, scope: {"S": text}}
    table.put_item(TableName=f"cloudjhub-{CLUSTER}-settings", Item=item)


def test_image_that_the_operator_sets_is_launched_from_then_on(hub: Emulated) -> None:
    image = hub.client("ec2").register_image(Name="newer", RootDeviceName="/dev/xvda")["ImageId"]
    set_scope(hub, "image", image)
    until(lambda: f"launched from {image} instead of" in hub.log("hub"))
    browser = Browser(hub.public_url)
    browser.log_in("nora")
    browser.page("/hub/spawn")
    (instance,) = until(lambda: hub.instances_of("nora"))
    assert instance["ImageId"] == image


def test_over_budget_pages_and_api_say_why_no_machine_is_started(hub: Emulated) -> None:
    item = {"scope": {"S": "user/frugal"}, "policy": {"S": '{"budget_hours": 0}'}}
    hub.client("dynamodb").put_item(TableName=f"cloudjhub-{CLUSTER}-settings", Item=item)
    browser = Browser(hub.public_url)
    browser.log_in("frugal")
    answer = browser.api("POST", "/users/frugal/server")
    assert answer.status_code == 403
    assert answer.json()["message"].startswith("Your budget of this month is used up: 0.0 of 0 hours.")
    home = browser.page("/hub/home").text
    assert 'id="budget"' in home
    assert 'id="start-' not in home
    browser.page("/hub/spawn")
    until(lambda: "ask your administrator" in browser.page("/hub/spawn-pending/frugal").text)
    assert not hub.instances_of("frugal")


@pytest.fixture(scope="module")
def course(hub: Emulated) -> dict[str, Browser]:
    """Students and teachers of two groups, and an administrator, each logged in."""
    browsers = {name: Browser(hub.public_url) for name in ("pia", "moritz", "tess", "theo", "boss")}
    for name, browser in browsers.items():
        browser.log_in(name, *([hub.secrets["hub/admin-password"]] if name == "boss" else []))
    for group, name in (("physics", "pia"), ("maths!group=physics", "moritz")):
        assert (
            browsers["boss"].api("POST", f"/groups/{quote(group)}", json={"users": [name]}).status_code == 201
        )
    teaches = {"tess": ["physics"], "theo": ["maths!group=physics"]}
    set_scope(hub, "users", json.dumps({"users": {"boss": {"admin": True}}, "teaches": teaches}))
    until(lambda: all(browsers[name].page("/hub/workers").ok for name in teaches))
    return browsers


def names_on(browser: Browser, path: str) -> set[str]:
    """Which of the course's students a page names."""
    text = browser.page(path).text
    return {name for name in ("pia", "moritz") if re.search(rf"\b{name}\b", text)}


SEES = [("pia", ""), ("moritz", ""), ("tess", "pia"), ("theo", "moritz"), ("boss", "pia moritz")]


@pytest.mark.parametrize(("viewer", "seen"), SEES)
def test_each_sees_and_changes_machines_of_their_own_groups_only(
    course: dict[str, Browser], viewer: str, seen: str
) -> None:
    browser, allowed = course[viewer], set(seen.split())
    for path in ("/hub/workers", "/hub/workers/table", "/hub/workers.csv", "/hub/workers.csv?search=a"):
        assert browser.page(path).status_code == (200 if allowed else 403), path
        assert not allowed or names_on(browser, path) - {viewer} <= allowed, path
    if allowed:  # the page has a part of all rows
        shown = {
            name for name in ("pia", "moritz") if name in names_on(browser, f"/hub/workers.csv?search={name}")
        }
        assert shown == allowed
    for name in ("pia", "moritz"):
        past = browser.page(f"/hub/workers/history?worker={name}").status_code
        assert past == (200 if name in allowed else 404 if allowed else 403), name
        own = allowed | {viewer}
        # Nothing runs, so that a stop is done at once, or there is nothing to stop.
        stopped = browser.api("DELETE", f"/users/{name}/server").status_code
        assert (stopped in (204, 400)) if name in own else (stopped in (403, 404)), (name, stopped)
        if name not in own:
            assert browser.api("POST", f"/users/{name}/server").status_code in (403, 404)
            assert browser.api("GET", f"/users/{name}").status_code in (403, 404)
        if viewer not in ("boss", name):
            assert browser.api("POST", f"/users/{name}/tokens", json={}).status_code in (403, 404)
            assert browser.api("DELETE", f"/users/{name}").status_code in (403, 404)
            assert browser.api("PATCH", f"/users/{name}", json={"admin": True}).status_code in (403, 404)
    if viewer != "boss":
        assert browser.api("POST", "/cloudjhub/bulk", json={}).status_code == 403
    wanted = {"scope": "group/physics", "policy": {"keep_limit": 0}, "base": PolicyRecord(scope="").version}
    for path in ("/hub/settings", "/hub/settings?scope=group/physics", f"/hub/settings?user={viewer}"):
        assert browser.page(path).status_code == (200 if viewer == "boss" else 403), path
    for path in ("/cloudjhub/settings/preview", "/cloudjhub/settings"):
        if viewer != "boss":
            assert browser.api("POST", path, json=wanted).status_code == 403, path
        assert browser.forged(path, wanted) == 403, path
    if viewer != "boss":
        assert browser.page("/hub/admin").status_code == 403
        assert browser.api("POST", "/groups/physics/users", json={"users": [viewer]}).status_code in (
            403,
            404,
        )


def test_who_is_no_longer_a_teacher_sees_nothing_within_a_minute(
    hub: Emulated, course: dict[str, Browser]
) -> None:
    set_scope(hub, "users", '{"users": {"boss": {"admin": true}}, "teaches": {"theo": ["physics"]}}')
    until(lambda: course["tess"].page("/hub/workers").status_code == 403)
    assert names_on(course["theo"], "/hub/workers/table") == {"pia"}


def test_all_users_read_an_announcement_as_text(hub: Emulated) -> None:
    said = {"text": "<b>Exam</b> on Friday", "level": "warning", "until": time.time() + 3600}
    set_scope(hub, "announcement", json.dumps(said))
    browser = Browser(hub.public_url)
    until(lambda: "Please note: &lt;b&gt;Exam&lt;/b&gt; on Friday" in browser.page("/hub/login").text)
    set_scope(hub, "announcement", json.dumps(said | {"until": time.time() - 1}))
    until(lambda: 'id="announced"' not in browser.page("/hub/login").text)


def test_users_are_promoted_demoted_and_removed_while_the_hub_runs(
    hub: Emulated, machines: list[Machine]
) -> None:
    browser, machine = spawned(hub, "olga", machines)
    set_scope(hub, "users", '{"users": {"olga": {"admin": true}, "boss": {"admin": true}}}')
    until(lambda: browser.page("/hub/workers").ok)
    set_scope(hub, "users", '{"users": {"olga": {}, "boss": {"admin": true}}}')
    until(lambda: browser.page("/hub/workers").status_code == 403)

    set_scope(hub, "users", '{"users": {"boss": {"admin": true}}, "removed": ["olga"]}')
    until(lambda: browser.page("/hub/home").url.startswith(f"{hub.public_url}/hub/login"))
    until(lambda: f"stop of {machine.instance_id} requested by" in hub.log("hub"))
    assert Browser(hub.public_url).log_in("olga").status_code == 403
    token = {"Authorization": f"token {machine.environment['JUPYTERHUB_API_TOKEN']}"}
    assert requests.get(f"{API}/users/olga", headers=token, timeout=PATIENCE).status_code in (403, 404)

    set_scope(hub, "users", '{"users": {"olga": {}, "boss": {"admin": true}}}')
    until(lambda: Browser(hub.public_url).log_in("olga").status_code == 302)


def test_removed_user_stays_out_when_the_hub_restarts(hub: Emulated) -> None:
    browser = Browser(hub.public_url)
    browser.log_in("pia")
    set_scope(hub, "users", '{"users": {"boss": {"admin": true}}, "removed": ["pia"]}')
    hub.start_hub()
    assert browser.page("/hub/home").url.startswith(f"{hub.public_url}/hub/login")
    assert Browser(hub.public_url).log_in("pia").status_code == 403
