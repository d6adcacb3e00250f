"""The hub's pages in a browser, served by the real hub and proxy."""

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Locator, Page, Route, expect

from hub.users.names import parse, to_json
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.contract import SET_ASIDE
from lifecycle_app.model.messages import message
from lifecycle_app.model.policy_record import PolicyRecord, with_policy
from lifecycle_app.model.worker import State, Worker
from tests.hub.accounts import PASSWORD, code, set_users
from tests.hub.browser import Browser
from tests.hub.emulated import CLUSTER, REPOSITORY, Emulated, emulated
from tests.hub.machine import Machine, fetch, proof_of
from tests.scenarios import chromium
from tests.shared.waiting import PATIENCE, until

NETWORK = "127.205"

expect.set_options(timeout=PATIENCE * 1000)
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """A hub on which machines can be launched but never boot."""
    with emulated(tmp_path_factory.mktemp("hub"), NETWORK) as found:
        found.start_hub()
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium.running() as running:
        yield running


@pytest.fixture
def page(browser: Chromium) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE * 1000)
    yield context.new_page()
    context.close()


SCREENS = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]
JUDGED = [(390, "dark"), (1280, "light")]
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UPSTREAM = ("admin: button-name: button[aria-controls=",)
"""What is wrong in parts of pages that are JupyterHub's own: the buttons that unfold a user have no name."""


def serious(page: Page) -> set[str]:
    """What axe-core finds that keeps people out: violations of its serious and critical rules, with their places."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return {
        f"{one['id']}: {node['target'][0]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    }


def faults(page: Page, name: str, judged: Sequence[tuple[int, str]] = SCREENS) -> set[str]:
    """What keeps people out on the page that is open, on these screens; it fits each of all. Then it is as before."""
    wrong = set[str]()
    for width, scheme in SCREENS:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 800})
        shoot(page, f"{name.replace('/', '-')}-{width}-{scheme}")
        assert page.evaluate(OVERFLOW) == 0, (name, width)
        if (width, scheme) in judged:
            wrong |= {f"{name}: {one}" for one in serious(page)}
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})
    return {one for one in wrong if not any(known in one for known in UPSTREAM)}


AGO = re.compile(r"just now|\d+ (s|min) ago")
"""However long the browser takes."""


PICTURES = {"starting": "progress", "home-stopped": "stopped"}
"""The screenshots that the documentation shows, with its names: PICTURES=1 makes them anew."""


def shoot(page: Page, name: str) -> None:
    """Keeps what the browser shows."""
    if os.environ.get("PICTURES") and name in PICTURES:
        path = REPOSITORY / "docs" / "pictures" / f"{PICTURES[name]}.png"
        page.screenshot(
            path=path, full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": ends_at(page)}
        )
    folder = REPOSITORY / "build" / "screenshots" / "hub"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def ends_at(page: Page) -> float:
    """Where what a page shows ends, with a margin, in pixels from its top."""
    bottoms = "[...document.querySelectorAll('main *')].map(one => one.getBoundingClientRect().bottom)"
    return float(page.evaluate(f"Math.max(...{bottoms})")) + 24


def log_in(page: Page, hub: Emulated, name: str, then: str, at: str = "") -> None:
    """Logs in on the way to a page, which leads on to the one `at`."""
    password = hub.secrets["hub/admin-password" if name == "boss" else "hub/user-password"]
    page.goto(f"{hub.public_url}/hub/login?next={then}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{at or then}")


def test_actions_on_all_servers_and_on_the_hub_ask_first(hub: Emulated, page: Page) -> None:
    """With their number and price; what is cancelled does nothing."""
    for name in ("ada", "bert"):
        assert Browser(hub.public_url).log_in(name).status_code == 302
    acts = list[str]()
    page.on("request", lambda one: acts.append(f"{one.method} {urlsplit(one.url).path}"))
    log_in(page, hub, "boss", "/hub/admin")
    dialog = page.get_by_role("dialog")

    def ask(button: str, title: str, text: str) -> None:
        page.get_by_role("button", name=button).click()
        expect(dialog.get_by_role("heading")).to_have_text(title)
        expect(dialog.locator("#bulk-text")).to_contain_text(text)
        shoot(page, "admin-" + button.lower().replace(" ", "-"))

    def changes() -> list[str]:
        return [
            one for one in acts if one.startswith(("POST /hub/api/", "DELETE ")) and "/cloudjhub/" not in one
        ]

    ask("Start All", "Start 4 servers?", "together about 16.6 ¢ an hour")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    # A button is known by its label as well as by what marks it, whichever another version of JupyterHub keeps.
    page.get_by_role("button", name="Stop All").evaluate("it => { it.className = it.dataset.testid = '' }")
    page.locator("#shutdown-button").evaluate("it => { it.textContent = 'Shutdown Hub now' }")
    ask("Stop All", "Nothing to stop", "No user on this page has a running server")
    dialog.get_by_role("button", name="Close").click()
    ask("Shutdown Hub", "Shut down the hub?", "No server is running")
    dialog.get_by_role("button", name="Cancel").press("Enter")
    expect(dialog).to_be_hidden()
    assert changes() == []

    page.get_by_label("user-search").fill("e")  # alice, bert
    expect(page.locator("[data-testid=user-name-div-ada]")).to_be_hidden()
    ask("Start All", "Start 2 servers?", "2 users have no running server")
    with page.expect_event("load"):
        dialog.get_by_role("button", name="Start 2 servers").click()
    assert sorted(changes()) == [f"POST /hub/api/users/{name}/servers/" for name in ("alice", "bert")]

    page.goto(f"{hub.public_url}/hub/admin")
    ask("Stop All", "Stop 2 servers?", "They cost about 8.3 ¢ an hour")
    with page.expect_event("load"):
        dialog.get_by_role("button", name="Stop 2 servers").click()
    ask("Shutdown Hub", "Shut down the hub?", "")
    dialog.get_by_role("button", name="Shut down the hub").click()
    expect(dialog.get_by_role("heading")).to_have_text("The hub is shutting down")
    assert hub.process
    assert hub.process.wait(PATIENCE) == 0
    hub.start_hub()


def test_a_removed_user_gets_no_machine_from_an_administrator_either(hub: Emulated) -> None:
    boss = Browser(hub.public_url)
    boss.log_in("boss", hub.secrets["hub/admin-password"])
    assert Browser(hub.public_url).log_in("cora").status_code == 302
    people = parse('{"users": {"boss": {"admin": true}, "cora": {}}}')
    set_users(hub, json.loads(to_json(people.without("cora"))))

    def offered() -> Any:
        return boss.api("POST", "/cloudjhub/bulk", json={"users": ["cora", "stranger"]}).json()["start"]

    until(lambda: offered() == {"servers": [], "price": ""})
    refused = boss.api("POST", "/users/cora/server")
    assert (refused.status_code, "was removed" in refused.text) == (403, True)
    assert boss.api("POST", "/cloudjhub/bulk", json={"users": "cora"}).status_code == 400
    ada = Browser(hub.public_url)
    ada.log_in("ada")
    assert ada.api("POST", "/cloudjhub/bulk", json={}).status_code == 403


def test_a_clean_profile_is_chosen_on_the_page_of_a_server_that_is_down(hub: Emulated, page: Page) -> None:
    """By the form; the machine's request for its environment is answered with the directory."""
    log_in(page, hub, "erna", "/hub/home")
    page.goto(f"{hub.public_url}/user/erna/lab")
    page.get_by_text("Kernels or terminals do not work?").click()
    shoot(page, "clean-profile")
    page.get_by_role("button", name="Start with a clean profile").click()
    page.wait_for_url("**/spawn-pending/erna*")
    [instance] = until(lambda: hub.instances_of("erna"))

    def given() -> Any:
        return fetch(proof_of(hub, instance["InstanceId"]), hub.hub_address).json().get("set_aside")

    assert SET_ASIDE.match(until(given))


NO_CAPACITY = "InsufficientInstanceCapacity"


def test_a_failed_start_says_why_and_tries_again_by_itself(
    hub: Emulated, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise EC2ClientError(NO_CAPACITY, "no capacity")

    monkeypatch.setattr(InstanceResponse, "run_instances", refuse)
    page.clock.install()
    log_in(page, hub, "dora", "/hub/spawn", at="/hub/spawn-pending/dora")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your machine could not be started")
    expect(page).to_have_title("Start failed - JupyterHub")
    expect(page.locator("#failure")).to_contain_text("AWS has no machine of this type available")
    expect(page.locator("[role=progressbar]")).to_have_count(0)
    page.get_by_text("What was tried").click()
    expect(page.locator("#failure-tried li").first).to_have_text("Requesting a new machine")
    expect(page.locator("#failure-countdown")).to_contain_text("Trying again in 60 s.")
    shoot(page, "start-failed")
    page.clock.fast_forward(61_000)
    page.wait_for_url("**/spawn-pending/dora")
    expect(page.locator("#failure-countdown")).to_contain_text("Trying again in 60 s.")
    page.get_by_role("button", name="Do not try again").click()
    expect(page.locator("#failure-countdown")).to_be_empty()
    assert faults(page, "start-failed") == set()

    monkeypatch.undo()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your machine is starting")
    expect(page.get_by_role("status").first).to_have_text("Your machine is booting")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    expect(page).to_have_title("40 % - Starting - JupyterHub")
    page.get_by_text("What happened so far").click()
    shoot(page, "starting")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_url("**/hub/home")


@pytest.fixture
def store(hub: Emulated) -> WorkerStore:
    """The records, written as the lifecycle app writes them."""
    return WorkerStore(CLUSTER)


def keep_from_home(page: Page, card: Locator, keep_until: Callable[[datetime | None], None]) -> None:
    """The buttons ask what the machine's own server asks. A refusal is shown, and then what the record says, after a
    reload too.
    """
    refused = "Your administrator does not allow this. Your machine stays on while you use it."
    until_then = datetime.now(UTC) + timedelta(hours=1)
    answers: list[Any] = [{"refused": "not-allowed", "message": refused}, until_then, None]
    sent = list[Any]()

    def answer(route: Route) -> None:
        sent.append((route.request.method, route.request.post_data_json))
        match answers.pop(0):
            case dict() as told:
                route.fulfill(json=told)
            case until:
                keep_until(until)
                route.fulfill(json={"kept_until": until and until.timestamp()})

    page.route("**/hub/api/cloudjhub/keep?*", answer)
    button = card.get_by_role("button", name="Keep on for 1 hour")
    button.click()
    expect(page.locator("#machines-problem")).to_have_text(refused)
    button.click()
    expect(card).to_contain_text("Kept on until")
    expect(page.locator("#machines-problem")).to_be_hidden()
    ending = card.get_by_role("button", name="End keeping")
    expect(ending).to_be_focused()
    page.reload()
    expect(card).to_contain_text("Kept on until")
    shoot(page, "home-kept")
    assert faults(page, "home-kept") == set()
    ending.click()
    expect(card).not_to_contain_text("Kept on until")
    expect(button).to_be_focused()
    assert sent == [("POST", {"server": "", "seconds": seconds}) for seconds in (3600, 3600, 0)]


def test_the_home_page_follows_a_stop_by_itself_and_then_asks_no_more(
    hub: Emulated, page: Page, store: WorkerStore, request: pytest.FixtureRequest
) -> None:
    page.clock.install()
    asked = list[str]()
    page.on("request", lambda one: asked.append(one.url) if "/cloudjhub/live" in one.url else None)
    log_in(page, hub, "frida", "/hub/spawn", at="/hub/spawn-pending/frida")
    instance = until(lambda: hub.instances_of("frida"))[0]
    machine = Machine(hub, instance["InstanceId"], instance["PrivateIpAddress"])
    request.addfinalizer(machine.close)

    def record(state: State, version: int, **more: Any) -> None:
        now = datetime.now(UTC)
        known: Any = {"key": "frida", "instance_id": machine.instance_id, "instance_type": "t3.medium"}
        store.put(Worker(**known, state=state, version=version, changed_at=now, state_at=now, **more), now)

    record(State.RUNNING, 0)
    page.wait_for_url("**/user/frida/**")
    page.goto(f"{hub.public_url}/hub/home")
    card = page.locator("[data-worker=frida]")
    expect(card.get_by_role("button", name="Open")).to_be_visible()
    expect(card).to_contain_text("Running since")
    expect(card).to_contain_text("t3.medium, 2 CPUs, 4 GB memory")
    shoot(page, "home-running")

    def keep_until(until: datetime | None) -> None:
        known = store.get("frida")
        assert known is not None
        store.put(replace(known, keep_until=until, keep_by="frida" if until else ""), datetime.now(UTC))

    keep_from_home(page, card, keep_until)
    page.evaluate("window.isSame = true")
    card.get_by_role("button", name="Stop").click()
    expect(card).to_contain_text("Stopping")
    expect(card.get_by_role("button", name="Start")).to_be_focused()
    shoot(page, "home-stopping")
    record(State.STOPPED, 3, stop_reason="requested", message=message("stop-requested", by="frida"))
    expect(card).to_contain_text(AGO)
    expect(card).to_contain_text("Stopped by frida")
    shoot(page, "home-stopped")
    assert page.evaluate("window.isSame")

    seen = len(asked)
    page.clock.fast_forward(120_000)
    with page.expect_request("**/cloudjhub/live?*"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert len(asked) == seen + 1, "only because the page was looked at again"


def test_live_is_for_users_and_needs_a_login(hub: Emulated) -> None:
    url = f"{hub.public_url}/hub/api/cloudjhub/live"
    assert requests.get(url, timeout=PATIENCE).status_code == 403
    token = {"Authorization": f"token {hub.secrets['lifecycle-token']}"}
    assert requests.get(url, headers=token, timeout=PATIENCE).status_code == 403


def machine_of(name: str, state: State, minutes: int, **more: Any) -> Worker:
    """A record of a machine that was last used some minutes ago."""
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    known: Any = {
        "instance_id": f"i-{zlib.crc32(name.encode()):08x}",
        "instance_type": "t3.medium",
        "zone": "us-east-1a",
    }
    times: Any = {"state_at": at, "changed_at": datetime.now(UTC), "last_interaction": at}
    return Worker(key=name, state=state, version=0, **known, **times, **more)


def test_the_machines_of_a_class_are_searched_filtered_and_stopped(
    hub: Emulated, page: Page, store: WorkerStore
) -> None:
    for name in ("hanna", "henry"):
        assert Browser(hub.public_url).log_in(name).status_code == 302
    now = datetime.now(UTC)
    idle = message("idle", timeout=timedelta(hours=1), last_used=now - timedelta(hours=1))
    store.put(machine_of("hanna", State.RUNNING, 2, groups=("physics",)), now)
    store.put(machine_of("henry", State.STOPPED, 90, stop_reason="idle", message=idle), now)
    for n in range(45):
        assert Browser(hub.public_url).log_in(f"student{n:02}").status_code == 302
    log_in(page, hub, "boss", "/hub/workers")
    table = page.locator("#workers tbody")
    row = table.locator("tr[data-worker=hanna]")
    until(lambda: page.goto(f"{hub.public_url}/hub/workers") and row.count())
    expect(row).to_contain_text(AGO)
    expect(table.locator("tr[data-worker]")).to_have_count(40)
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Page 2 of")).to_be_visible()
    page.get_by_role("button", name=re.compile(r"^Stopped \d")).click()
    expect(row).to_have_count(0)
    expect(table.locator("tr[data-worker=henry]")).to_contain_text("Not used for 1 hour")
    page.get_by_role("button", name="History of henry").click()
    expect(table).to_contain_text("Nothing has happened yet")
    page.get_by_role("button", name="All ").click()
    page.get_by_label("Search").fill("HANNA")
    expect(table.locator("tr[data-worker]")).to_have_count(1)
    for width, scheme in SCREENS:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 800})
        shoot(page, f"machines-{width}-{scheme}")
    # What changes is shown by itself, and what is selected stays so.
    row.get_by_label("Select hanna").check()
    store.put(
        replace(
            machine_of("hanna", State.RUNNING, 1),
            version=1,
            groups=("maths",),
            keep_until=now + timedelta(hours=1),
        ),
        now,
    )
    expect(row).to_contain_text("maths")
    expect(row.get_by_label("Select hanna")).to_be_checked()
    page.get_by_role("button", name="Start", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Start hanna?")
    expect(dialog).to_contain_text("about 4.2 ¢ an hour")
    shoot(page, "machines-start")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert hub.instances_of("hanna") == []


@pytest.fixture
def choosing(hub: Emulated) -> Iterator[Emulated]:
    """The hub with several profiles of machines."""
    hub.config["workers"]["profiles"] = [
        {"name": "Standard", "description": "For lectures", "types": ["t3.medium", "x9.huge"]},
        {"name": "Large", "description": "For the data project", "types": ["t3.large"]},
        {"name": "GPU", "types": ["g4dn.xlarge"], "groups": ["ml"]},
    ]
    hub.start_hub()
    yield hub
    del hub.config["workers"]["profiles"]
    hub.start_hub()


def test_a_profile_is_chosen_with_the_keyboard_and_one_of_another_group_by_no_means(
    choosing: Emulated, page: Page
) -> None:
    log_in(page, choosing, "gerda", "/hub/spawn")
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose your machine")
    assert page.get_by_role("radio").count() == 2
    page.goto(f"{choosing.public_url}/hub/spawn/gerda?opt-profile=GPU")
    expect(
        page.get_by_text("The profile GPU is only for members of ml. Choose one of Standard, Large.")
    ).to_be_visible()
    standard = page.get_by_role("radio", name="Standard For lectures 2 CPUs, 4 GB memory 4.2 ¢ an hour")
    expect(standard).to_be_checked()
    standard.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Large For the data project 2 CPUs, 8 GB")).to_be_checked()
    shoot(page, "choice")
    page.keyboard.press("Enter")
    page.wait_for_url("**/spawn-pending/gerda?*")
    [instance] = until(lambda: choosing.instances_of("gerda"))
    assert instance["InstanceType"] == "t3.large"


def test_an_administrator_reads_what_a_change_of_the_settings_would_do(
    hub: Emulated, page: Page, store: WorkerStore
) -> None:
    now = datetime.now(UTC)
    store.put(machine_of("nina", State.RUNNING, 40, groups=("physics",)), now)
    table = SettingsStore(CLUSTER)
    table.put_policy_record(
        PolicyRecord(scope="cluster"),
        with_policy(
            PolicyRecord(scope="cluster"), {"busy_allowance": 7200}, "eve <b>", now - timedelta(minutes=5)
        ),
    )
    log_in(page, hub, "boss", "/hub/settings")
    idle = page.locator("[data-field=idle_timeout]")
    expect(idle).to_contain_text("Not set here: 1 hour, the default.")
    expect(page.locator("#policy-past tbody")).to_contain_text("5 min ago")
    expect(page.locator("#policy-past tbody")).to_contain_text("eve <b>")
    expect(page.locator("#policy-past tbody")).to_contain_text("not set → 2 hours")
    expect(idle.get_by_label("number")).to_be_hidden()
    idle.get_by_label("Stop a machine that is not used for", exact=True).press("Space")
    idle.get_by_label("number").fill("0")
    page.get_by_role("button", name="Check the change").click()
    expect(page.locator("#policy-problem")).to_contain_text("idle_timeout: must be from 1")
    idle.get_by_label("number").fill("30")
    idle.get_by_label("unit").select_option("minutes")
    idle.get_by_label("number").press("Enter")
    outlook = page.locator("#policy-outlook")
    expect(outlook).to_contain_text("Stop a machine that is not used for: not set → 30 minutes")
    expect(outlook).to_contain_text("nina: not used for 40 minutes")
    expect(outlook).to_contain_text("estimate")
    for width, scheme in SCREENS:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 800})
        shoot(page, f"settings-change-{width}-{scheme}")
    idle.get_by_label("number").fill("45")
    expect(outlook).to_be_hidden()
    assert table.policy_record("cluster").changes.count("idle_timeout") == 0, "the hub writes nothing"


PAGES = {
    "": ("login",),
    "boss": (
        "home",
        "token",
        "admin",
        "workers",
        "settings",
        "spawn/alice",
        "spawn-pending/alice",
        "nothing-here",
    ),
}


def test_every_page_has_a_title_a_heading_and_a_main_part_and_fits_a_phone(
    choosing: Emulated, page: Page
) -> None:
    titles, wrong = dict[str, str](), set[str]()
    for name, paths in PAGES.items():
        if name:
            log_in(page, choosing, name, "/hub/home")
        for path in paths:
            page.goto(f"{choosing.public_url}/hub/{path}")
            page.wait_for_load_state("networkidle")
            assert page.locator("main h1").count() == page.locator("h1").count() == 1, path
            assert page.title() not in titles.values(), path
            titles[path] = page.title()
            wrong |= faults(page, path, JUDGED)
    assert wrong == set()


NATIVE = {"authenticator": "native", "options": {"minimum_password_length": 12}, "allow_all": False}
BRAND = {"brand": "Physics Notebooks", "color": "#1d5a8a", "login_text": "For members of <the> institute."}
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="4" fill="#1d5a8a"/></svg>'


@pytest.fixture
def branded(hub: Emulated, tmp_path: Path) -> Iterator[Emulated]:
    """The hub with an institution's brand, and accounts of its own."""
    login, own = hub.config["login"], hub.config["hub"]
    logo = tmp_path / "logo.svg"
    logo.write_text(LOGO)
    hub.config |= {"login": NATIVE, "hub": {**own, **BRAND, "logo": str(logo)}}
    name = "hub/sign-up-key"
    hub.secrets[name] = "a key"
    hub.client("ssm").put_parameter(Name=f"/cloudjhub/{CLUSTER}/{name}", Value="a key", Type="SecureString")
    set_users(hub, {"users": {"rosa": {"admin": True}}})
    hub.start_hub()
    yield hub
    hub.client("dynamodb").delete_item(
        TableName=f"cloudjhub-{CLUSTER}-settings", Key={"scope": {"S": "users"}}
    )
    hub.config |= {"login": login, "hub": own}
    hub.start_hub()


def test_an_institutions_brand_and_the_pages_of_accounts(branded: Emulated, page: Page) -> None:
    """In both themes, on a phone too, nothing keeps people out; and nothing in the logo runs."""
    url, wrong = f"{branded.public_url}/hub", set[str]()
    page.goto(f"{url}/login")
    expect(page).to_have_title("Sign in - Physics Notebooks")
    expect(page.locator("#login-text")).to_have_text("For members of <the> institute.")
    assert page.locator(".jpy-logo").evaluate("one => one.complete && one.naturalWidth > 0")
    logo = requests.get(f"{url}/logo", timeout=PATIENCE)
    assert (logo.text, logo.headers["Content-Type"]) == (LOGO, "image/svg+xml")
    assert logo.headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert logo.headers["Content-Security-Policy"].endswith("sandbox")
    wrong |= faults(page, "branded-login")
    page.get_by_role("link", name="Sign up").click()
    wrong |= faults(page, "signup")
    page.get_by_label("User name").fill("rosa")
    page.get_by_label("Sign-up code").fill("wrong")
    page.get_by_label("Password of at least").fill(PASSWORD)
    page.get_by_label("again").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("alert")).to_be_visible()
    wrong |= faults(page, "signup-refused")
    page.get_by_label("Sign-up code").fill(code(branded, "rosa"))
    page.get_by_label("Password of at least").fill(PASSWORD)
    page.get_by_label("again").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.goto(f"{url}/login?next=/hub/home")
    page.get_by_label("Username").fill("rosa")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/home")
    for path in ("home", "change-password", "authorize", "admin"):
        page.goto(f"{url}/{path}")
        page.wait_for_load_state("networkidle")
        assert page.title().endswith(" - Physics Notebooks"), path
        wrong |= {
            one.removeprefix("branded-")
            for one in faults(page, path if path == "admin" else f"branded-{path}")
        }
    assert wrong == set()
