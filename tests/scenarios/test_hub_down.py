"""The hub is killed: idle machines stop anyway, working users work on, and nothing is lost when it is back."""

import pytest
import requests

from tests.scenarios.cloud import LocalCloud

pytestmark = pytest.mark.cloud


def test_the_hub_may_die(cloud: LocalCloud) -> None:
    """A killed hub stops no machine's end, ends no user's work, forgets no user and starts nothing twice."""
    idle, working = cloud.person("frank", may_idle=True), cloud.person("grace")
    idle.request_start()
    working.start()
    idle.await_ready()
    kernel = working.open_kernel()
    working.run_cell(kernel, "import time; time.sleep(3600)", wait=False)
    other = working.open_kernel()

    with cloud.faults("hub-down"):
        cloud.await_true("the hub is down", lambda: not hub_answers(cloud))
        assert working.run_cell(other, "print(6 * 7)") == "42\n"

        cloud.await_state("frank", "stopped")
        assert working.run_cell(other, "print(6 * 8)") == "48\n", "a working user keeps working"
        assert cloud.worker("grace")["state"] == "running"

    cloud.await_true("the hub is back", lambda: hub_answers(cloud))
    assert working.is_logged_in(), "no user is logged out"
    assert working.servers()[""]["ready"], "the hub knows the running server"
    assert working.run_cell(other, "print(6 * 9)") == "54\n"
    cloud.await_true("the hub knows that frank's server is stopped", lambda: not idle.servers())
    idle.start()
    assert [len(cloud.instances(name)) for name in ("frank", "grace")] == [1, 1], "no second instance"
    working.stop()


def hub_answers(cloud: LocalCloud) -> bool:
    try:
        return requests.get(f"{cloud.url}/hub/api/", timeout=5).ok
    except requests.RequestException:
        return False
