"""Hub and proxy are killed while one server starts, one stops and one works: no user loses anything (I7).

Each kill strikes all three at once, at a moment that the seed tells. `make restarts` kills fifty times; SEED and KILLS
say otherwise.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
import requests
import websocket
from playwright.sync_api import Page

from lifecycle_app.contract import TAG_USER
from tests.scenarios.cloud import LocalCloud, control
from tests.scenarios.events import alarm_event
from tests.scenarios.killing import HUB, PROXY, kill
from tests.scenarios.lab import await_lab, log_in, shoot
from tests.scenarios.person import Person, SpawnFailed
from tests.shared.waiting import PATIENCE

pytestmark = pytest.mark.cloud

# Of the four kills in `make test` each target and each way of leaving has one.
SEED = int(os.environ.get("SEED", "94"))
KILLS = int(os.environ.get("KILLS", "4"))
TARGETS = {"hub": (HUB,), "proxy": (PROXY,), "both": (HUB, PROXY)}
# Longer than a start takes, so that the kill comes before, during and after it.
LATEST = 6.0
STRUCK = (requests.RequestException, websocket.WebSocketException, SpawnFailed, OSError)
"""What a user may see in the moment of a kill."""
KEPT = "kept.txt"
BEEN_HERE: set[str] = set()
"""Who has written the file once; from then on it has to be there."""


@dataclass
class Tally:
    """What the kills met, for the line at the end."""

    met: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"seed {SEED}: " + ", ".join(f"{count} {what}" for what, count in sorted(self.met.items()))


class Work:
    """A user's notebook with a value in it, and a cell that runs in silence."""

    def __init__(self, cloud: LocalCloud, person: Person) -> None:
        self.person = person
        self.instance = machine(cloud, person)["instance_id"]
        self.stops = len(cloud.calls("StopInstances", self.instance))
        self.notebook, self.silent = person.open_kernel(), person.open_kernel()
        person.run_cell(self.notebook, f"x = {person.name!r}")
        person.run_cell(self.silent, "import time; time.sleep(3600)", wait=False)

    def goes_on(self) -> bool:
        """Whether both kernels are what they were, through the proxy."""
        try:
            told = self.person.run_cell(self.notebook, "print(x)")
            silent = self.person.lab("GET", f"api/kernels/{self.silent}")
        except STRUCK:
            return False
        return told == f"{self.person.name}\n" and silent.ok and silent.json()["execution_state"] == "busy"

    def end(self) -> None:
        """Close both kernels: a machine that works is not drained."""
        for kernel in (self.notebook, self.silent):
            self.person.lab("DELETE", f"api/kernels/{kernel}").raise_for_status()


def test_kills_of_hub_and_proxy_harm_no_user(cloud: LocalCloud) -> None:
    """No server lost, none pending without end, no second login, no second machine, no working machine stopped."""
    chance, tally = Random(SEED), Tally()  # noqa: S311 -- chooses moments
    coming, working, leaving = (cloud.person(f"struck-{number}") for number in range(3))
    for person in (working, leaving):
        person.request_start()
    for person in (working, leaving):
        person.await_ready()
        assert serves(person)
    for number in range(KILLS):
        name = chance.choice(sorted(TARGETS))
        way, delay = chance.choice(("presses", "idle", "returns")), chance.uniform(0, LATEST)
        print(f"seed {SEED}, kill {number + 1}: {name} after {delay:.2f} s; who leaves: {way}", flush=True)
        work = Work(cloud, working)
        with ThreadPoolExecutor() as pool, stops(cloud, leaving, way, pool):
            arrival = pool.submit(arrive, coming)
            time.sleep(delay)
            tally.met[f"{name} {'after' if arrival.done() else 'during'} a start"] += 1
            kill(cloud, *TARGETS[name])
            cloud.await_true("hub and proxy are back", lambda: answers(cloud))
        tally.met["kills"] += 1

        everyone_is_logged_in(coming, working, leaving)
        cloud.await_true(f"{working.name}'s notebook is there", work.goes_on)
        unharmed(cloud, work)
        work.end()
        tally.met["starts asked again"] += settle(cloud, coming)
        if way == "returns":
            tally.met["starts asked again"] += settle(cloud, leaving)
        tally.met["stops pressed again"] += leave(cloud, leaving)
        for person in (coming, working, leaving):
            assert len(cloud.instances(person.name)) == 1, f"{person.name} has one machine"
        coming, working, leaving = leaving, coming, working
    print(tally)


@pytest.mark.browser
@pytest.mark.parametrize("scripts", ["complete", "lost"])
def test_the_progress_page_of_a_killed_hub_does_not_stand_still(
    cloud: LocalCloud, page: Page, screenshots: Path, scripts: str
) -> None:
    """It leads on by itself: to the server, or to where it can be started again; even if the kill took its scripts."""
    user = f"struck-{scripts}"
    with cloud.faults("slow-boot", seconds=PATIENCE):
        log_in(page, cloud, user)
        if scripts == "lost":
            page.route("**/js/jhapi.js*", lambda route: route.fulfill(status=503))
        page.get_by_role("button", name="Start").click()
        page.wait_for_url("**/spawn-pending/**")
        kill(cloud, HUB)
        page.unroute_all()
        cloud.await_true("the hub is back", lambda: answers(cloud))
        page.wait_for_function("!document.querySelector('#progress-bar')")
        shoot(page, screenshots / "1-after-the-kill.png")
    page.get_by_role("button", name="Start your machine").click()
    await_lab(page, screenshots)
    assert len(cloud.instances(user)) == 1


def arrive(person: Person) -> None:
    """Start, and follow the progress until it ends or the kill ends it."""
    try:
        person.start()
    except STRUCK:
        return


@contextmanager
def stops(cloud: LocalCloud, person: Person, way: str, pool: ThreadPoolExecutor) -> Iterator[None]:
    """The person's server is being stopped meanwhile: by its user, or by the functions, which drain it first."""
    if way == "idle":
        cloud.set_policy(f"user/{person.name}", idle_timeout=1, start_grace=0)
    instance = machine(cloud, person)["instance_id"]
    leaving: Future[object] = pool.submit(go, cloud, person, way, instance)
    try:
        yield
        leaving.result()
    finally:
        cloud.keep(person.name)


def go(cloud: LocalCloud, person: Person, way: str, instance: str) -> None:
    try:
        if way == "idle":
            cloud.invoke("idle_alarm", alarm_event(instance))
            return
        person.stop()
        if way == "returns":
            person.start()
    except STRUCK:
        return


def answers(cloud: LocalCloud) -> bool:
    try:
        return requests.get(f"{cloud.url}/hub/api/", timeout=5).ok
    except requests.RequestException:
        return False


def everyone_is_logged_in(*people: Person) -> None:
    for person in people:
        assert person.is_logged_in(), f"{person.name}: the browser's session holds"
        assert person.hub("GET", "user").ok, f"{person.name}: the token holds"


def unharmed(cloud: LocalCloud, work: Work) -> None:
    """The machine that worked is the same one, runs, and its stop was never requested in this run."""
    found = machine(cloud, work.person)
    assert (found["instance_id"], found["state"]) == (work.instance, "running")
    stops = len(cloud.calls("StopInstances", work.instance))
    assert stops == work.stops, "a machine that worked was stopped"


def settle(cloud: LocalCloud, person: Person) -> int:
    """Return when the person's server serves, with the files; how often Start had to be pressed again."""
    pressed, end = 0, time.monotonic() + PATIENCE
    while time.monotonic() < end:
        server = person.servers().get("", {})
        if server.get("ready"):
            cloud.await_true(f"{person.name}'s server answers", lambda: serves(person))
            return pressed
        if server.get("pending"):
            arrive_again(person)
            continue
        pressed += 1
        answer = person.hub("POST", f"users/{person.name}/server", {})
        assert answer.status_code in (201, 202, 400), answer.text
        time.sleep(0.5)
    raise AssertionError(f"{person.name}'s server stays pending: {person.servers()}\n{cloud.logs()}")


def arrive_again(person: Person) -> None:
    """Open the progress page that a pending start has."""
    try:
        person.await_ready()
    except STRUCK:
        time.sleep(0.5)


def serves(person: Person) -> bool:
    """Whether the server answers with the file of the first visit; at the first visit, whether it can be written."""
    try:
        names = [entry["name"] for entry in person.lab("GET", "api/contents").json()["content"]]
        if KEPT not in names and person.name not in BEEN_HERE:
            person.write(KEPT, person.name)
            BEEN_HERE.add(person.name)
        return person.read(KEPT) == person.name
    except STRUCK:
        return False


def machine(cloud: LocalCloud, person: Person) -> dict[str, Any]:
    """The person's one machine, as the local cloud itself knows it."""
    [found] = [
        one
        for one in control(cloud.told, "state")["instances"]
        if one["tags"].get(TAG_USER) == person.name and one["state"] != "terminated"
    ]
    return dict(found)


def leave(cloud: LocalCloud, person: Person) -> int:
    """Return when the person's machine is stopped; how often Stop had to be pressed again."""
    pressed, end = 0, time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if machine(cloud, person)["state"] == "stopped" and not person.servers():
            return pressed
        if person.servers().get("", {}).get("ready"):
            person.stop()
            pressed += 1
        time.sleep(1)
    raise AssertionError(f"{person.name}'s machine is never stopped: {person.servers()}\n{cloud.logs()}")
