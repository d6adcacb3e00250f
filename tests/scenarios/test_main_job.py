"""The main job in a browser: log in, work, leave, be stopped, log in again, find the file."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.scenarios.cloud import LocalCloud
from tests.scenarios.lab import await_lab, log_in, shoot

# As JupyterLab itself asks: with the cookies, and the token against cross-site requests that goes with them.
READ_FILE = """async () => {
    const xsrf = document.cookie.match(/_xsrf=([^;]+)/)[1];
    const answer = await fetch('/user/alice/api/contents/kept.txt', {headers: {'X-XSRFToken': xsrf}});
    return (await answer.json()).content;
}"""

pytestmark = [pytest.mark.cloud, pytest.mark.browser]


def test_a_user_works_is_stopped_when_idle_and_finds_the_file_again(
    cloud: LocalCloud, page: Page, screenshots: Path
) -> None:
    """The whole thread, by the alarm's event through the deployed functions."""
    with cloud.faults("sweep-off"):
        log_in(page, cloud, "alice")
        shoot(page, screenshots / "1-logged-in.png")
        await_lab(page, screenshots)
        first = cloud.recorded("alice")["instance"]

        write_a_file_and_run_a_cell(page)
        expect(page.locator(".cloudjhub-status")).to_contain_text("Stops in")
        shoot(page, screenshots / "3-work.png")

        stopped = cloud.await_state("alice", "stopped")
        assert stopped["stop_reason"] == "idle"
        assert cloud.stopped_by("alice") == {"alarm"}

    the_hub_says_why(page.context.new_page(), cloud, screenshots)
    page.bring_to_front()  # a hidden page asks nothing
    told = page.get_by_role("dialog")
    expect(told).to_contain_text("Your machine was stopped")
    expect(told).to_contain_text("Saved files are kept. Variables and running programs are gone.")
    shoot(page, screenshots / "4-lab-says-why.png")
    told.get_by_role("button", name="Start again").click()
    await_lab(page, screenshots, "5-progress-again.png")

    again = cloud.worker("alice")
    assert again["instance"] == first
    assert again["state"] == "running"
    content = page.evaluate(READ_FILE)
    assert content == "41 + 1 = 42"
    shoot(page, screenshots / "6-file-is-there.png")


def the_hub_says_why(page: Page, cloud: LocalCloud, screenshots: Path) -> None:
    """The hub's page in place of a server that does not run."""
    page.goto(f"{cloud.url}/user/alice/lab")
    expect(page.locator("#worker-headline")).to_contain_text("Stopped")
    expect(page.locator("#worker-reason")).to_contain_text("Not used for")
    shoot(page, screenshots / "4-stopped-says-why.png")
    page.close()


def write_a_file_and_run_a_cell(page: Page) -> None:
    """A notebook from the launcher; its cell writes the file."""
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    cell = page.locator(".jp-Notebook .cm-content").first
    expect(cell).to_be_visible()
    expect(page.get_by_role("button", name="Python 3 (ipykernel) | Idle")).to_be_visible()
    cell.click()
    expect(cell).to_be_focused()
    page.keyboard.type("open('kept.txt', 'w').write(f'41 + 1 = {41 + 1}')")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").first).to_contain_text("11")
