"""Our extension of JupyterLab in a real browser, at a real Jupyter server with the reporter; its texts and times."""

import re
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, Request, Route, expect

from bootstrap.local.programs import node
from bootstrap.worker.server import LAB_EXTENSIONS
from tests.scenarios.conftest import browser, context, page, screenshots
from tests.scenarios.lab import shoot
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

from .conftest import CloudWatch, jupyter_at, jupyter_command, jupyter_environment, running
from .hub_api import answering
from .places import JUPYTER_ADDRESS, Jupyter

__all__ = ["browser", "context", "page", "screenshots"]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(PATIENCE)]

# The notice ten minutes before a stop is due at once, the one two minutes before it not in this test.
KEPT_FOR = timedelta(seconds=590)


# For the module, as the browser is: no event loop can be run once that is there.
@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cloudwatch: CloudWatch) -> Iterator[Jupyter]:
    """A server whose machine is kept running for ten minutes, and is idle otherwise."""
    port = free_port(JUPYTER_ADDRESS)
    server = jupyter_at(port, tmp_path_factory.mktemp("home"), "i-lab")
    own = [
        f"--LabServerApp.extra_labextensions_path={LAB_EXTENSIONS}",
        "--LabApp.expose_app_in_browser=True",
    ]
    kept_until = time.time() + KEPT_FOR.total_seconds()
    with answering() as hub:
        hub.answer = {"idle_timeout": 60, "keep_limit": 14400, "keep_until": kept_until}
        access = {"JUPYTERHUB_API_URL": hub.url, "JUPYTERHUB_API_TOKEN": "secret"}
        environment = jupyter_environment(server, cloudwatch) | access
        with running(server, [*jupyter_command(server, port), *own], environment):
            yield server


def seen(lab: Jupyter) -> dict[str, Any]:
    """What the hub would be told now."""
    url = f"{lab.url}cloudjhub/activity"
    found: dict[str, Any] = requests.get(url, headers=lab.headers, timeout=PATIENCE).json()
    return found


def is_own(request: Request) -> bool:
    return "/cloudjhub/" in request.url and "/static/" not in request.url


def scroll(page: Page) -> None:
    """Turn the wheel, and wait until the page has seen it."""
    page.evaluate(
        "() => { window.seen = new Promise(done => addEventListener('wheel', () => done(), {once: true})) }"
    )
    page.mouse.wheel(0, 100)
    page.evaluate("window.seen")


PLAY = """async () => {
    for (let value = 0; value < 5; value++) {
        await window.comm.send({method: 'update', state: {value}}).done;
    }
}"""


def test_a_reader_keeps_the_machine_on_and_a_widget_that_plays_does_not(
    lab: Jupyter, page: Page, screenshots: Path
) -> None:
    """The page's minutes are its clock's: it makes one request in each of them, and none to the hub."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if is_own(request) else None)
    page.clock.install()
    began = page.evaluate("Date.now()")
    page.goto(f"{lab.url}lab?token={lab.token}")
    item = page.locator(".cloudjhub-status")
    expect(item).to_contain_text("Kept until")
    expect(
        page.get_by_role("alert").filter(has_text=re.compile(r"Your machine stops in \d+ min"))
    ).to_be_visible()
    shoot(page, screenshots / "notice.png")

    before = seen(lab)["last_interaction"]
    minutes = 4
    for _ in range(minutes):
        scroll(page)
        with page.expect_response("**/cloudjhub/gesture*"):
            page.clock.fast_forward(61_000)
    assert seen(lab)["last_interaction"] > before
    with page.expect_response("**/cloudjhub/status*"):
        page.clock.fast_forward(61_000)
    # Its clock goes on by itself too: on a slow machine for another minute.
    passed = (page.evaluate("Date.now()") - began) / 60_000
    assert 1 + minutes + 1 <= len(asked) <= 1 + passed + 1
    assert not [url for url in asked if "/hub/" in url]

    page.evaluate("""async () => {
        window.kernel = await window.jupyterapp.serviceManager.kernels.startNew({name: 'python3'});
        const code = "get_ipython().kernel.comm_manager.register_target('play', lambda comm, opened: None)";
        await window.kernel.requestExecute({code}).done;
        window.comm = window.kernel.createComm('play');
        await window.comm.open({}).done;
    }""")
    quiet = until(lambda: (now := seen(lab))["level"] < 2 and now, "the kernel has started")
    page.evaluate(PLAY)
    assert {name: seen(lab)[name] for name in ("last_interaction", "last_app")} == {
        "last_interaction": quiet["last_interaction"],
        "last_app": None,
    }

    item.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="Your machine")
    expect(panel).to_contain_text("It is kept running until")
    for name in ("CPU", "Memory", "Home"):
        expect(panel.locator("dt", has_text=name).locator("+ dd")).to_have_text(re.compile(r"^\d+ %(:| of)"))
    shoot(page, screenshots / "panel.png")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(item).to_be_focused()

    # Where the policy allows no keeps, the machine can still be stopped.
    page.route("**/cloudjhub/status*", without_keeps)
    with page.expect_response("**/cloudjhub/status*"):
        item.press("Enter")
    page.keyboard.press("Escape")
    item.press("Enter")
    expect(panel.get_by_role("button")).to_have_text(["Stop now", "Close"])
    page.keyboard.press("Escape")


def without_keeps(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, json=answer.json() | {"keep_limit": 0})


def test_its_texts_and_times() -> None:
    """By Node's own test runner, of what was compiled of its sources."""
    tests = Path(__file__).with_name("lab_texts.test.mjs")
    done = subprocess.run([node(), "--test", tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
