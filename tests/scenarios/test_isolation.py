"""A hostile page, opened by an administrator, gets nothing; where hub and servers share an origin, it gets all."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from tests.scenarios.cloud import LocalCloud
from tests.scenarios.lab import log_in, shoot
from tests.scenarios.person import Person, origin_of
from tests.shared import hostile
from tests.shared.waiting import PATIENCE, until

pytestmark = [pytest.mark.cloud, pytest.mark.browser]

SERVE = """
import os, subprocess, sys
from pathlib import Path
server = os.getppid()
supervisor = int(Path(f"/proc/{{server}}/stat").read_text().rpartition(")")[2].split()[1])
subprocess.Popen([sys.executable, "hostile.py", {address!r}, {domain!r}, str(server), str(supervisor)],
                 start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""


@dataclass(frozen=True)
class Scene:
    """An administrator, `carol`, with a running kernel, and mallory's page."""

    cloud: LocalCloud
    carol: Person
    kernel: str

    @property
    def hub(self) -> str:
        return self.cloud.url

    @property
    def domain(self) -> str:
        return str(urlsplit(self.hub).hostname)

    @property
    def evil(self) -> str:
        return f"{origin_of('mallory', self.hub)}/user/mallory/evil"

    def tokens(self) -> int:
        """How many the administrator has."""
        return len(self.carol.hub("GET", "users/carol/tokens").json()["api_tokens"])


@pytest.fixture(scope="module")
def scene(cloud: LocalCloud) -> Iterator[Scene]:
    """Mallory, who is root on her machine, serves it herself. It goes at the end: other tests share the cloud."""
    carol, mallory = cloud.person("carol", admin=True), cloud.person("mallory")
    for person in (carol, mallory):
        person.request_start()
    for person in (carol, mallory):
        person.await_ready()
    mallory.write("hostile.py", Path(hostile.__file__).read_text(encoding="utf-8"))
    machine = cloud.instances("mallory")[0]
    address = machine["PrivateIpAddress"]
    domain = str(urlsplit(cloud.url).hostname)
    mallory.run_cell(mallory.open_kernel(), SERVE.format(address=address, domain=domain), wait=False)
    found = Scene(cloud, carol, carol.open_kernel())
    cloud.await_true("mallory serves her own page", lambda: _is_served(found.evil))
    yield found
    cloud.client("ec2").terminate_instances(InstanceIds=[machine["InstanceId"]])
    cloud.await_state("mallory", "terminated")


def _is_served(url: str) -> bool:
    try:
        return "Harmless" in requests.get(url, timeout=PATIENCE).text
    except requests.RequestException:
        return False


@pytest.fixture
def admin(scene: Scene, page: Page) -> Page:
    """The administrator's browser: logged into the hub and into a server of her own."""
    log_in(page, scene.cloud, "carol", admin=True)
    page.wait_for_url("**/user/carol/lab**")
    return page


@pytest.fixture
def evil(scene: Scene, admin: Page) -> Page:
    """The administrator's second tab, with mallory's page."""
    opened = admin.context.new_page()
    opened.goto(scene.evil)
    expect(opened.get_by_role("heading")).to_have_text("Harmless")
    return opened


def refused(page: Page, script: str, *given: object) -> str:
    """What the browser says when a script of the page fails, as it should."""
    with pytest.raises(Error) as caught:
        page.evaluate(f"given => hostile.{script}(...given)", list(given))
    return str(caught.value)


def assert_in_charge(scene: Scene, admin: Page) -> None:
    """The administrator is logged in as before, and what she does is accepted."""
    admin.goto(f"{scene.hub}/hub/token")
    expect(admin.locator("#navbar, .navbar").first).to_contain_text("carol")
    # Before the page's script has its hands on the form, the browser would send it itself.
    admin.wait_for_function(
        "() => new Promise(done => require(['jquery'], $ =>"
        " done(Boolean($._data(document.querySelector('#request-token-form'), 'events')))))"
    )
    admin.get_by_role("button", name="Request new API token").click()
    expect(admin.locator("#token-result")).to_be_visible()


def test_it_reads_nothing_and_gets_no_token(scene: Scene, evil: Page) -> None:
    before = scene.tokens()
    assert "Failed to fetch" in refused(evil, "takeToken", scene.hub, "carol")
    carols = f"{origin_of('carol', scene.hub)}/user/carol"
    for url in (
        f"{scene.hub}/hub/home",
        f"{scene.hub}/hub/api/user",
        f"{carols}/api/contents",
        f"{carols}/lab",
        "/hub/home",
    ):
        assert "Failed to fetch" in refused(evil, "read", url), url
    assert scene.tokens() == before


def test_what_it_posts_is_refused(scene: Scene, evil: Page, screenshots: Path) -> None:
    before = scene.tokens()
    evil.evaluate("given => hostile.postBlindly(...given)", [scene.hub, "carol"])
    for path, fields in (
        ("/hub/spawn/mallory", {}),
        ("/hub/token", {"note": "x"}),
        ("/hub/login", {"username": "mallory", "password": "x"}),
        ("/hub/api/users/carol/tokens", {"note": "x"}),
    ):
        with evil.expect_popup() as popup:
            evil.evaluate("given => hostile.submit(...given)", [scene.hub + path, fields])
        expect(popup.value.locator("body")).to_contain_text("A page of another address made this request")
        shoot(popup.value, screenshots / f"{path.replace('/', '-')}.png")
        popup.value.close()
    assert scene.tokens() == before


def test_its_service_worker_and_cookies_do_not_reach_the_hub(scene: Scene, admin: Page, evil: Page) -> None:
    mine = origin_of("mallory", scene.hub)
    assert evil.evaluate("hostile.register('/')") == f"{mine}/", "of its own origin it may do what it likes"
    login = next(one for one in evil.context.cookies(scene.hub) if one["name"] == hostile.HUB_COOKIES[0])
    evil.evaluate("given => hostile.toss(...given)", [scene.domain, list(hostile.HUB_COOKIES)])
    found = evil.context.cookies(scene.hub)
    assert [one["value"] for one in found if one["name"] == login["name"]] == [login["value"]]
    assert "tossed" in {one["value"] for one in found}, "others can be set"
    assert_in_charge(scene, admin)
    assert admin.evaluate("navigator.serviceWorker.getRegistrations().then(found => found.length)") == 0


def test_it_has_no_handle_on_a_window_and_no_frame_of_the_hub(scene: Scene, evil: Page) -> None:
    with evil.expect_popup() as popup:
        evil.evaluate("url => { window.opened = window.open(url) }", f"{scene.hub}/hub/home")
    expect(popup.value.locator("body")).to_contain_text("carol")
    assert popup.value.evaluate("window.opener") is None
    assert evil.evaluate("window.opened.closed"), "to the page, it is gone"
    evil.evaluate("url => { window.opened.location = url }", scene.evil)
    expect(popup.value).to_have_url(f"{scene.hub}/hub/home")
    assert refused(evil, "frame", f"{scene.hub}/hub/home")
    assert all("carol" not in frame.content() for frame in evil.frames)


def test_it_opens_no_socket_to_another_users_kernel(scene: Scene, evil: Page) -> None:
    kernel = f"{origin_of('carol', scene.hub)}/user/carol/api/kernels/{scene.kernel}/channels"
    for url in (kernel, f"{scene.hub}/hub/api/user"):
        assert evil.evaluate("url => hostile.listen(url)", url.replace("http", "ws", 1)) == "refused"


def test_under_its_host_the_hub_shows_no_page(scene: Scene, admin: Page) -> None:
    admin.goto(f"{origin_of('mallory', scene.hub)}/hub/token")
    expect(admin).to_have_url(f"{scene.hub}/hub/token")


@pytest.mark.parametrize("link", ["/user/mallory/evil", "/hub/user/mallory/evil"], ids=["server", "hub-page"])
def test_a_login_does_not_lead_there(scene: Scene, page: Page, screenshots: Path, link: str) -> None:
    """Neither after the password nor where the user is logged in already."""
    for _ in range(2):
        page.goto(f"{scene.hub}/hub/login?next={link}")
        if page.url.startswith(f"{scene.hub}/hub/login"):
            page.get_by_label("Username").fill("carol")
            page.get_by_label("Password").fill(scene.cloud.password(admin=True))
            page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(re.compile(re.escape(f"{scene.hub}/hub/home")))
    shoot(page, screenshots / "home.png")


@pytest.fixture
def flooded(scene: Scene, browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context()
    opened.set_default_timeout(PATIENCE * 1000)
    yield opened
    opened.close()


def is_shown(page: Page, url: str) -> bool:
    """Is the page opened? Not while the browser is still on its way to another one."""
    try:
        page.goto(url)
    except Error:
        return False
    return True


@pytest.mark.parametrize(("count", "size"), [(400, 10), (60, 3000)], ids=["many", "large"])
def test_a_flood_of_cookies_costs_a_login_at_most(
    scene: Scene, flooded: BrowserContext, count: int, size: int
) -> None:
    """Many may make the browser drop the hub's; large ones make requests too large. Without them all is as before."""
    page = flooded.new_page()
    log_in(page, scene.cloud, "carol", admin=True)
    page.wait_for_url("**/user/carol/lab**")
    page.goto(scene.evil)
    page.evaluate("given => hostile.flood(...given)", [scene.domain, count, size])
    assert any(one["name"].startswith("flood") for one in flooded.cookies(scene.hub))
    with suppress(Error):  # an answer of the proxy's own, 431
        page.goto(f"{scene.hub}/hub/home")
    flooded.clear_cookies(name=re.compile("flood"))
    until(
        lambda: is_shown(page, f"{scene.hub}/hub/home"),
        "the hub's page after the browser's own for the error",
    )
    if "/hub/login" in page.url:
        log_in(page, scene.cloud, "carol", admin=True)
        page.goto(f"{scene.hub}/hub/home")
    expect(page).to_have_url(f"{scene.hub}/hub/home")
