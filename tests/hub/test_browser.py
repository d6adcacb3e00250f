"""The hub's pages in a browser, served by the real hub and proxy."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from hub.users.names import parse, to_json
from tests.hub.accounts import set_users
from tests.hub.browser import Browser
from tests.hub.emulated import REPOSITORY, Emulated, emulated
from tests.scenarios import chromium
from tests.shared.waiting import PATIENCE, until

NETWORK = "127.205"

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
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE * 1000)
    yield context.new_page()
    context.close()


def shoot(page: Page, name: str) -> None:
    """Keeps what the browser shows."""
    folder = REPOSITORY / "build" / "screenshots" / "hub"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def log_in(page: Page, hub: Emulated, name: str, then: str) -> None:
    password = hub.secrets["hub/admin-password" if name == "boss" else "hub/user-password"]
    page.goto(f"{hub.public_url}/hub/login?next={then}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{then}")


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
