"""The page of `test_isolation`, where hub and servers share an origin: there it takes over who opens it.

So the scenario can fail; and this is what `login.trusted_users` means.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.hub.accounts import with_authenticators
from tests.hub.emulated import Emulated
from tests.hub.machine import Machine
from tests.hub.test_running_hub import spawned
from tests.scenarios.lab import shoot
from tests.shared import hostile
from tests.shared.waiting import PATIENCE

pytestmark = pytest.mark.browser

NETWORK = "127.197"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """The real hub and proxy, without a domain."""
    with with_authenticators(tmp_path_factory.mktemp("hub"), NETWORK) as found:
        found.start_hub()
        yield found


@pytest.fixture
def mallory(hub: Emulated) -> Iterator[Machine]:
    """Her machine, which serves her page."""
    machines: list[Machine] = []
    spawned(hub, "mallory", machines)
    [machine] = machines
    machine.pages = hostile.answer
    yield machine
    machine.close()


@pytest.mark.usefixtures("mallory")
def test_it_takes_a_token_of_the_administrator_and_watches_the_hub(
    hub: Emulated, page: Page, screenshots: Path
) -> None:
    page.goto(f"{hub.public_url}/hub/login?next=/hub/home")
    page.get_by_label("Username").fill("boss")
    page.get_by_label("Password").fill(hub.secrets["hub/admin-password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/home")
    page.goto(f"{hub.public_url}/hub/admin")
    expect(page.locator("#shared-origin")).to_contain_text("take over each other's accounts")
    shoot(page, screenshots / "administrators-are-told.png")

    page.goto(f"{hub.public_url}/user/mallory/evil")
    token = page.evaluate("given => hostile.takeToken(...given)", [hub.public_url, "boss"])
    headers = {"Authorization": f"token {token}"}
    me = requests.get(f"{hub.public_url}/hub/api/user", headers=headers, timeout=PATIENCE).json()
    assert (me["name"], me["admin"]) == ("boss", True)

    assert page.evaluate("hostile.register('/')") == f"{hub.public_url}/"
    page.goto(f"{hub.public_url}/hub/home")
    assert page.evaluate("navigator.serviceWorker.controller !== null"), "it sees every page and password"


@pytest.mark.usefixtures("mallory")
def test_it_reads_pages_and_shadows_cookies(hub: Emulated, page: Page) -> None:
    """What fails in `test_isolation`. A handle on a window fails here too (`Cross-Origin-Opener-Policy`)."""
    page.goto(f"{hub.public_url}/hub/login?next=/hub/home")
    page.get_by_label("Username").fill("boss")
    page.get_by_label("Password").fill(hub.secrets["hub/admin-password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/home")
    page.goto(f"{hub.public_url}/user/mallory/evil")
    assert page.evaluate("url => hostile.read(url)", f"{hub.public_url}/hub/home") == 200
    page.evaluate(
        "given => hostile.toss(...given)", [urlsplit(hub.public_url).hostname, list(hostile.HUB_COOKIES)]
    )
    found = page.context.cookies(f"{hub.public_url}/hub/api")
    assert "jupyterhub-hub-login" in {one["name"] for one in found if one["value"] == "tossed"}
