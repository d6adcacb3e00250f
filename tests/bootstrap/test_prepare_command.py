"""`workers prepare`: who is meant, what is checked before anything is launched, what is said and told to scripts."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError

from bootstrap.aws import secrets
from bootstrap.aws.site import Site
from bootstrap.cli import prepare as command
from bootstrap.cli.workers import workers
from bootstrap.cluster import users as kept
from bootstrap.config.choices import Https
from bootstrap.config.settings import Login, Manager
from bootstrap.costs import Prices
from bootstrap.errors import Interrupted, NotBuilt, Refused, SettingsError, StepFailed
from bootstrap.machines.image import images
from bootstrap.operations.workers import candidates, hub_launches
from bootstrap.operations.workers.boots import Boot, boot_in, boots
from bootstrap.operations.workers.hub_launches import HubApi, HubLaunches, LaunchProfile, LaunchSettings
from bootstrap.operations.workers.listing import ListedWorker
from bootstrap.operations.workers.preparation import (
    INTERRUPTED,
    NotLaunched,
    Outcome,
    Prepared,
    Wanted,
)
from bootstrap.preflight import quotas, subnets
from hub.users.names import People
from lifecycle_app.contract import LAUNCH_PATH, OPERATOR_TOKEN
from lifecycle_app.model.worker import State
from tests.bootstrap.clusters import NOW, REGION, Built, an_image, built
from tests.shared.addresses import free_port

DISK, HOME = 8, 3
QUOTA = 64.0


class Course(Built):
    """The cluster `spring` with a manager, an image and three users."""

    def __init__(self, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
        self.__dict__.update(built.__dict__)
        self.monkeypatch = monkeypatch
        self.quota = QUOTA
        self.subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        self.launches = LaunchSettings(
            types=("t3.medium", "t3.large"), subnets=(self.subnet,), disk=DISK, home_disk=HOME
        )
        self.manager = self.launch_manager()
        images.choose(self.site.aws, "spring", an_image())
        file = self.site.settings.login.users_file
        file = self.file.parent / file.name
        file.write_text("ada\nbob\ncleo admin\n")
        settings = replace(self.site.settings, login=replace(self.site.settings.login, users_file=file))
        self.site = replace(self.site, settings=settings)
        monkeypatch.setattr(command, "site_of", lambda _: self.site)
        kept.ensure_people(self.site)
        monkeypatch.setattr(quotas, "_quota", lambda *_: self.quota)
        monkeypatch.setattr(command, "HubApi", lambda _: self)

    def settings(self) -> LaunchSettings:
        """What its hub says that it launches with."""
        return self.launches

    def launch_manager(self) -> str:
        tags: Any = [
            {"Key": "cloudjhub:cluster", "Value": "spring"},
            {"Key": "cloudjhub:role", "Value": "manager"},
        ]
        made = self.ec2.run_instances(
            ImageId=an_image(),
            MinCount=1,
            MaxCount=1,
            InstanceType="t3.small",
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        return made["Instances"][0]["InstanceId"]

    def workers(self) -> set[str]:
        return {one for one, state in self.states().items() if one != self.manager and state != "terminated"}

    def clear(self) -> None:
        """No machine and no record is left for the next test."""
        self.ec2.terminate_instances(InstanceIds=[*self.workers(), self.manager])
        table, client = "cloudjhub-spring-workers", self.site.aws.client("dynamodb")
        for item in client.scan(TableName=table)["Items"]:
            client.delete_item(TableName=table, Key={"worker": item["worker"]})

    def outcomes(self, *of: Prepared) -> list[tuple[list[str], int]]:
        """What a preparation is asked to do; it answers with these."""
        seen: list[tuple[list[str], int]] = []

        def prepare_all(*given: Any) -> list[Prepared]:
            wanted: Sequence[Wanted] = given[3]
            seen.append(([one.key for one in wanted], given[4]))
            return list(of)

        self.monkeypatch.setattr(command, "prepare_all", prepare_all)
        return seen


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """For all tests of this module: moto takes a second to make an account's EC2."""
    with pytest.MonkeyPatch.context() as patch, built(patch, tmp_path_factory.mktemp("spring")) as made:
        iam = boto3.client("iam", region_name=REGION)
        iam.create_instance_profile(InstanceProfileName="cloudjhub-spring-worker")
        yield made


@pytest.fixture
def course(account: Built, monkeypatch: pytest.MonkeyPatch) -> Iterator[Course]:
    made = Course(account, monkeypatch)
    yield made
    made.clear()


def ready(key: str) -> Prepared:
    return Prepared(key=key, instance_id=f"i-{key}", outcome=Outcome.STOPPED)


def test_what_preparing_costs() -> None:
    """An existing home is paid already."""
    launches = LaunchSettings(types=("t3.medium",), subnets=(), disk=DISK, home_disk=HOME)
    wanted = [Wanted(key="ada", home_volume=None), Wanted(key="bob", home_volume="vol-1")]
    cost = candidates.cost(launches, candidates.choice(launches, None, None), wanted, Prices())
    assert cost.boots == pytest.approx(2 * candidates.BOOT_HOURS * 0.0416)
    assert cost.disks == pytest.approx((2 * DISK + HOME) * 0.08)
    unknown = candidates.Choice(options={}, type="x9.huge", disk=DISK)
    assert candidates.cost(launches, unknown, wanted, Prices()).boots is None
    assert candidates.cost(launches, unknown, wanted, None) == candidates.Cost(boots=None, disks=None)


def test_a_dry_run_says_who_would_get_one_and_what_that_costs(course: Course) -> None:
    course.worker("bob", state=State.STOPPED)
    before = course.states()
    seen = course.outcomes()
    said = course.run(workers, "prepare", "--all", "--dry-run").output
    assert "would prepare ada: a t3.medium" in said
    assert "would prepare cleo" in said
    assert "bob" in said
    assert "has an instance: it is stopped" in said
    assert "a stopped machine is removed after 12h, prepared ones too" in said
    assert "an unknown price a month for their disks" in said, "no prices are known for this region"
    rows = json.loads(course.run(workers, "prepare", "--all", "--dry-run", "--json").stdout)
    assert [(one["worker"], one["outcome"]) for one in rows] == [
        ("ada", "to prepare"),
        ("cleo", "to prepare"),
        ("bob", "has one"),
    ]
    assert (course.states(), seen) == (before, [])


def test_those_who_have_none_are_prepared_in_the_order_given(course: Course) -> None:
    course.worker("bob")
    seen = course.outcomes(ready("cleo"), ready("ada"))
    said = course.run(workers, "prepare", "cleo", "bob", "ADA", "cleo", "--yes").output
    assert seen == [(["cleo", "ada"], 20)]
    assert "2 machines ready" in said
    course.run(workers, "prepare", "ada", "--yes", "--at-once", "7")
    assert seen[-1] == (["ada"], 7)


def test_names_come_from_a_file_or_standard_input(course: Course, tmp_path: Path) -> None:
    seen = course.outcomes(ready("ada"))
    text = "# the class\n\nada  # front row\ncleo admin\n"
    (tmp_path / "class.txt").write_text(text)
    course.run(workers, "prepare", "--from", str(tmp_path / "class.txt"), "--yes")
    course.run(workers, "prepare", "bob", "--from", "-", "--yes", typed=text)
    assert [keys for keys, _ in seen] == [["ada", "cleo"], ["bob", "ada", "cleo"]]


def test_it_asks_first(course: Course) -> None:
    seen = course.outcomes(ready("ada"))
    assert course.run(workers, "prepare", "ada", typed="n\n").exit_code == 1
    assert seen == []


def test_a_second_run_has_nothing_to_do(course: Course) -> None:
    for name in ("ada", "bob", "cleo"):
        course.worker(name, state=State.STOPPED)
    seen = course.outcomes()
    assert "nothing to do" in course.run(workers, "prepare", "--all", "--yes").output
    assert seen == []


def test_what_is_wrong_is_described_in_one_line_after_the_others(course: Course) -> None:
    running = Prepared(key="bob", instance_id="i-bob", outcome=Outcome.RUNNING, message="the hub is down")
    course.outcomes(ready("ada"), running)
    with pytest.raises(StepFailed, match="not prepared: 1 machine: the hub is down"):
        course.run(workers, "prepare", "ada", "bob", "--yes")
    stopped = Prepared(key="bob", instance_id="", outcome=Outcome.NOT_LAUNCHED, message=INTERRUPTED)
    course.outcomes(ready("ada"), stopped)
    with pytest.raises(Interrupted, match="run the same command again"):
        course.run(workers, "prepare", "ada", "bob", "--yes")


def test_a_user_who_logged_in_is_no_failure(course: Course) -> None:
    course.outcomes(Prepared(key="ada", instance_id="i-ada", outcome=Outcome.IN_USE, message="pending spawn"))
    said = course.run(workers, "prepare", "ada", "--yes").output
    assert "ada (i-ada): left running: its user has logged in: pending spawn" in said
    rows = json.loads(course.run(workers, "prepare", "ada", "--yes", "--json").stdout)
    assert rows == [
        {"worker": "ada", "instance_id": "i-ada", "outcome": "in use", "message": "pending spawn"}
    ]


def test_the_quota_says_how_many_boot_at_the_same_time(course: Course) -> None:
    """The manager, a t3.small, uses two vCPUs of it; each t3.medium two, whosever it is."""
    seen = course.outcomes(ready("ada"))
    for quota in (64.0, 22.0, 5.0, 4.0):
        course.quota = quota
        course.run(workers, "prepare", "ada", "--yes")
    course.instance("other", cluster="autumn")
    course.quota = 22.0
    course.run(workers, "prepare", "ada", "--yes")
    assert [at_once for _, at_once in seen] == [20, 10, 1, 1, 9]


def test_without_room_nothing_is_launched(course: Course) -> None:
    seen = course.outcomes()
    course.quota = 3.0
    with pytest.raises(Refused, match=r"no room for a t3\.medium"):
        course.run(workers, "prepare", "ada", "--yes")
    course.quota = QUOTA
    course.monkeypatch.setattr(subnets, "_described", lambda *_: [])
    with pytest.raises(Refused, match=r"nothing was launched: the worker subnets .* 0 free addresses"):
        course.run(workers, "prepare", "ada", "--yes")
    assert seen == []


def test_a_quota_that_cannot_be_read_leaves_the_option(course: Course) -> None:
    def denied(*_: Any) -> float:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "GetServiceQuota")

    course.monkeypatch.setattr(quotas, "_quota", denied)
    seen = course.outcomes(ready("ada"))
    course.run(workers, "prepare", "ada", "--yes", "--at-once", "3")
    assert seen == [(["ada"], 3)]


def test_only_the_clusters_types_are_taken(course: Course) -> None:
    seen = course.outcomes(ready("ada"))
    with pytest.raises(SettingsError, match=r"use one of t3\.medium, t3\.large"):
        course.run(workers, "prepare", "ada", "--yes", "--instance-type", "p5.48xlarge")
    assert seen == []
    assert "a t3.large" in course.run(
        workers, "prepare", "ada", "--yes", "--instance-type", "t3.large"
    ).output  # fmt: skip


BY_PROFILE = LaunchSettings(
    types=("t3.medium", "t3.large", "m7i.xlarge"),
    profiles=(
        LaunchProfile(name="Standard", type="t3.medium", disk=0),
        LaunchProfile(name="Big data", type="m7i.xlarge", disk=30),
    ),
    subnets=(),
    disk=DISK,
    home_disk=HOME,
)


@pytest.mark.parametrize(
    ("profile", "options", "kind", "disk"),
    [
        (None, {"profile": "Standard"}, "t3.medium", DISK),
        ("Big data", {"profile": "Big data"}, "m7i.xlarge", 30),
    ],
)
def test_a_profile_is_chosen_by_its_name(
    profile: str | None, options: dict[str, str], kind: str, disk: int
) -> None:
    """Its groups are the hub's to know."""
    assert candidates.choice(BY_PROFILE, None, profile) == candidates.Choice(
        options=options, type=kind, disk=disk
    )


@pytest.mark.parametrize(
    ("settings", "kind", "profile", "why"),
    [
        (BY_PROFILE, "t3.large", None, "use --profile with one of Standard, Big data"),
        (BY_PROFILE, None, "big data", "not a profile of this cluster: use one of Standard, Big data"),
        (replace(BY_PROFILE, profiles=()), None, "Standard", "has no profiles: use --instance-type"),
    ],
)
def test_what_the_hub_does_not_offer_is_refused(
    settings: LaunchSettings, kind: str | None, profile: str | None, why: str
) -> None:
    with pytest.raises(SettingsError, match=why):
        candidates.choice(settings, kind, profile)


PEOPLE = People(frozenset({"ada", "bob"}), frozenset(), frozenset({"eve"}))


def login(**more: Any) -> Login:
    return Login(**{"authenticator": "native", "users_file": Path("users"), **more})


@pytest.mark.parametrize(
    ("given", "all_users", "rules", "expected"),
    [
        (["bob", "Ada", "bob"], False, login(), ["bob", "ada"]),
        ([], True, login(), ["ada", "bob"]),
        (["zoe"], False, login(allow_all=True), ["zoe"]),
        (["zoe"], False, login(authenticator="github"), ["zoe"]),
    ],
)
def test_who_is_meant(given: list[str], all_users: bool, rules: Login, expected: list[str]) -> None:
    assert candidates.chosen(given, PEOPLE, rules, all_users=all_users) == expected


@pytest.mark.parametrize(
    ("given", "all_users", "rules", "words"),
    [
        ([], False, login(), "no users are named"),
        (["ada"], True, login(), "not both"),
        (["zoe"], False, login(), "zoe may not log in"),
        (["eve"], False, login(allow_all=True), "eve may not log in"),
        (["ada/gpu"], False, login(), "cannot contain the character /"),
    ],
)
def test_who_is_refused(given: list[str], all_users: bool, rules: Login, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        candidates.chosen(given, PEOPLE, rules, all_users=all_users)


def test_those_with_a_machine_in_whatever_state_are_left_alone() -> None:
    states = ["pending", "running", "stopping", "stopped", "unknown"]
    found = [ListedWorker(key=state, instance_id=f"i-{state}", state=state) for state in states]
    found.append(ListedWorker(key="gone", instance_id="", state="terminated", home_volume="vol-1"))
    wanted, left = candidates.sorted_out([*states, "gone", "new"], found)
    assert wanted == [Wanted(key="gone", home_volume="vol-1"), Wanted(key="new")]
    assert [one.key for one in left] == states
    assert {one.outcome for one in left} == {Outcome.HAS_ONE}


# -- the hub launches, the lifecycle app stops


class FakeHub(BaseHTTPRequestHandler):
    """A hub's API: answers with `says`, and keeps what it was asked."""

    says: tuple[int, Any] = (200, {})
    asked: list[tuple[str, str, str, Any]] = []  # noqa: RUF012 -- each test has its own class

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "")
        self.asked.append((self.command, self.path, token, json.loads(body) if body else None))
        status, answer = self.says
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def hub_that_says(course: Course, status: int, answer: Any) -> Iterator[tuple[HubApi, type[FakeHub]]]:
    """The API of a hub that answers so to everything."""
    kind = type("Hub", (FakeHub,), {"says": (status, answer), "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield api(course, f"127.0.0.1:{server.server_port}"), kind
        finally:
            server.shutdown()
            thread.join()


def api(course: Course, at: str) -> HubApi:
    host, _, port = at.partition(":")
    manager = Manager(https=Https.NONE, port=int(port))
    site = replace(course.site, settings=replace(course.site.settings, manager=manager))
    course.monkeypatch.setattr(Site, "place", lambda _: {"PublicAddress": host})
    secrets.create(site.aws.client("ssm"), "spring", OPERATOR_TOKEN, "secret")
    return HubApi(site)


def test_the_hub_says_what_it_launches_with(course: Course) -> None:
    """Not cluster.yaml, which may have been edited since."""
    sent = {"types": ["t3.medium"], "subnets": [course.subnet], "disk": 9, "home_disk": 4, "more": 1}
    with hub_that_says(course, 200, sent) as (hub, seen):
        found = hub.settings()
    assert found == LaunchSettings(types=("t3.medium",), subnets=(course.subnet,), disk=9, home_disk=4)
    assert seen.asked == [("GET", LAUNCH_PATH, "token secret", None)]


@pytest.mark.parametrize("sent", [(404, {}), (200, {}), (200, []), (200, b"<html>"), (403, b"no")])
def test_a_hub_that_cannot_launch_is_refused(course: Course, sent: tuple[int, Any]) -> None:
    """An older one, above all."""
    with hub_that_says(course, *sent) as (hub, _), pytest.raises(Refused, match="run `cloudjhub up` first"):
        hub.settings()


def test_a_hub_that_is_down_is_refused(course: Course) -> None:
    hub = api(course, f"127.0.0.1:{free_port('127.0.0.1')}")
    with pytest.raises(Refused, match=r"nothing listens there .*: run `cloudjhub doctor`"):
        hub.settings()
    with pytest.raises(NotLaunched, match="run the command again"):
        hub.launch("ada", {"instance_type": "t3.medium"})


def test_a_cluster_without_a_token_has_no_hub_to_ask(course: Course) -> None:
    course.monkeypatch.setattr(Site, "place", lambda _: {"PublicAddress": "127.0.0.1"})
    secrets.remove(course.site.aws.client("ssm"), "spring")
    with pytest.raises(NotBuilt, match="cloudjhub up"):
        HubApi(course.site)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"instance_id": "i-1", "problem": ""}, ("i-1", "")),
        (
            {"instance_id": "i-1", "problem": "the home disk is\x9b elsewhere"},
            ("i-1", "the home disk is  elsewhere"),
        ),
        ({"instance_id": None}, (None, "")),
    ],
)
def test_the_hub_launches_or_says_that_there_is_one(
    course: Course, sent: Any, expected: tuple[str | None, str]
) -> None:
    with hub_that_says(course, 200, sent) as (hub, seen):
        assert hub.launch("ada", {"instance_type": "t3.medium"}) == expected
    asked = {"user": "ada", "instance_type": "t3.medium"}
    assert seen.asked == [("POST", LAUNCH_PATH, "token secret", asked)]


@pytest.mark.parametrize(
    ("status", "sent", "expected"),
    [
        (409, {"label": "quota", "message": "full", "code": "Vcpu"}, ("full", "quota", "Vcpu")),
        (400, {"status": 400, "message": "no such type"}, ("no such type", "choice", "")),
        (502, b"<html>", ("JupyterHub gave no usable answer: run `cloudjhub doctor`", "", "")),
        (503, {}, ("JupyterHub answers 503: run `cloudjhub doctor`", "", "")),
        (409, {"message": "x" * 5000}, ("x" * 500, "", "")),
    ],
)  # fmt: skip
def test_why_there_is_no_launch(
    course: Course, status: int, sent: Any, expected: tuple[str, str, str]
) -> None:
    with hub_that_says(course, status, sent) as (hub, _), pytest.raises(NotLaunched) as refused:
        hub.launch("ada", {"instance_type": "t3.medium"})
    assert (str(refused.value), refused.value.label, refused.value.code) == expected


def test_a_home_disk_that_is_not_attached_is_that_machines_problem(course: Course) -> None:
    async def prepared(hub: HubApi) -> None:
        cloud = HubLaunches(course.site, hub, {"instance_type": "t3.medium"}, lambda: NOW)
        try:
            assert await cloud.launch("ada") == "i-1"
            await cloud.home("i-2")
            with pytest.raises(NotLaunched, match="elsewhere"):
                await cloud.home("i-1")
        finally:
            cloud.close()

    with hub_that_says(course, 200, {"instance_id": "i-1", "problem": "elsewhere"}) as (hub, _):
        asyncio.run(prepared(hub))


def test_a_recorded_one_is_asked_to_stop_unless_it_is_used(course: Course) -> None:
    """By a moment at which its run had begun, though this machine's clock be late."""
    asked: list[tuple[list[str], Any, bool]] = []

    def ask(_site: Any, wanted: Sequence[ListedWorker], at: Any, *, unless_used: bool) -> None:
        asked.append(([one.key for one in wanted], at, unless_used))

    course.monkeypatch.setattr(hub_launches, "ask_to_stop", ask)
    one = course.worker("ada", minutes=-3)

    async def stop() -> None:
        cloud = HubLaunches(course.site, cast(Any, course), {}, lambda: NOW)
        await cloud.ask_to_stop(one)
        cloud.close()

    asyncio.run(stop())
    assert asked == [(["ada"], one.started_at, True)]


def status(state: str, instance: str = "", system: str = "") -> dict[str, Any]:
    return {
        "InstanceState": {"Name": state},
        "InstanceStatus": {"Status": instance},
        "SystemStatus": {"Status": system},
    }


@pytest.mark.parametrize(
    ("told", "boot"),
    [
        (status("pending", "not-applicable", "not-applicable"), Boot.BEGUN),
        (status("running", "initializing", "initializing"), Boot.BEGUN),
        (status("running", "initializing", "ok"), Boot.BEGUN),
        (status("running", "insufficient-data", "ok"), Boot.BEGUN),
        (status("running", "ok", "ok"), Boot.PASSED),
        (status("running", "impaired", "ok"), Boot.FAILED),
        (status("running", "initializing", "impaired"), Boot.FAILED),
        (status("stopped", "not-applicable", "not-applicable"), Boot.DOWN),
        (status("shutting-down", "not-applicable", "not-applicable"), Boot.DOWN),
    ],
)
def test_how_far_a_machine_has_come(told: dict[str, Any], boot: Boot) -> None:
    assert boot_in(told) is boot


def test_one_that_ec2_does_not_know_yet_hides_no_other(course: Course) -> None:
    known, young = course.instance("ada"), "i-0123456789abcdef0"
    found = boots(course.site.aws, [young, known])
    assert found[young] is Boot.BEGUN
    assert found[known] is not Boot.DOWN
    course.ec2.stop_instances(InstanceIds=[known])
    assert boots(course.site.aws, [known, young])[known] is Boot.DOWN
