"""The tour's visitor: logs in over HTTP as a browser does, and watches the records as an operator does."""

import time
from collections.abc import Callable
from typing import TypeVar

import requests

from bootstrap.aws.site import Site
from bootstrap.aws.waiting import polls
from bootstrap.errors import StepFailed
from bootstrap.local import environment, status
from bootstrap.local.person import Person, SpawnFailed
from bootstrap.local.settings import LocalSettings
from bootstrap.local.tour.steps import CELL_TAKES, FILE, IDLE_TIMEOUT, TEXT
from bootstrap.operations import policies
from bootstrap.operations.workers.listing import listed_workers, store_of
from bootstrap.operations.workers.termination import terminate
from lifecycle_app.contract import utc_now
from lifecycle_app.model.messages import text
from lifecycle_app.model.policy import given
from lifecycle_app.model.worker import State, Worker

USER = "tour"
SCOPE = f"{policies.USER}{USER}"
PATIENCE = 300.0
"""Seconds until a wait is given up: on a slow machine all takes its time."""
T = TypeVar("T")


class Visitor:
    """The user `tour` of a running local cloud; `say` takes lines about what goes on meanwhile."""

    def __init__(self, site: Site, settings: LocalSettings, say: Callable[[str], None]) -> None:
        self._site = site
        self._settings = settings
        self._say = say
        self._before = policies.texts(site).get(SCOPE)
        policies.write(
            site,
            SCOPE,
            self._before,
            {"idle_timeout": float(IDLE_TIMEOUT), "start_grace": float(IDLE_TIMEOUT)},
            utc_now(),
        )
        self._person: Person | None = None

    def log_in(self) -> str:
        """Log in, start the machine, and write a file."""
        began = time.monotonic()
        password = next(
            user["password"] for user in status.ready(self._settings)["users"] if not user["admin"]
        )
        self._person = Person(self._settings.public_url, USER, password)
        self._say(f"  to look on: {self._settings.public_url}, as {USER} with the password {password}")
        for event in self._person.start():
            self._say(f"     {event['message']}")
        self._person.write(FILE, TEXT)
        took = time.monotonic() - began
        return f"JupyterLab answers after {took:.0f} s, on the instance {self._record().instance_id}"

    def compute_in_silence(self) -> str:
        """Run a silent cell, and look at the record until it is done."""
        kernel = self._user.open_kernel()
        self._user.run_cell(kernel, f"import time; time.sleep({CELL_TAKES})", wait=False)
        seen = ""
        for waited in polls(CELL_TAKES, every=1.0):
            seen = self._reported(seen, f"{waited:2.0f} s: ")
        record = self._record()
        if record.state is not State.RUNNING:
            raise StepFailed(f"the machine is {record.state}: see `cloudjhub local status`")
        return f"after {CELL_TAKES} s the machine still runs: a cell counts as work, also one that prints nothing"

    def await_stop(self) -> str:
        """Wait until the machine is stopped, and say what is reported meanwhile."""
        seen, began = "", time.monotonic()

        def stopped() -> Worker | None:
            nonlocal seen
            seen = self._reported(seen, f"{time.monotonic() - began:2.0f} s: ")
            record = self._record()
            return record if record.state is State.STOPPED else None

        record = self._await("the machine is stopped", stopped)
        return f"stopped: {text(record.message)}"

    def come_back(self) -> str:
        """Start it again."""
        self._user.start()
        return f"the user is back, on the same disk: {FILE} says {self._user.read(FILE)!r}"

    def work_without_hub(self) -> str:
        """Wait until the hub is down, and run a cell."""
        self._await("the hub is down", lambda: not self._hub_answers())
        answer = self._user.run_cell(self._user.open_kernel(), "print(6 * 7)").strip()
        return f"the hub is down, and the cell `print(6 * 7)` prints {answer}"

    def await_hub(self) -> str:
        """Wait until the hub answers and knows the server that runs."""
        self._await("the hub is back", self._hub_answers)
        known = "knows the running server" if self._user.servers().get("") else "does not know the server"
        who = "still logged in" if self._user.is_logged_in() else "logged out"
        return f"the hub is back, {known}, and the user is {who}"

    def fail_to_start(self) -> str:
        """Stop the machine and try to start it."""
        self._user.stop()
        self._await("the machine is stopped", lambda: self._record().state is State.STOPPED)
        try:
            self._user.start()
        except SpawnFailed as refusal:
            return str(refusal)
        raise StepFailed("EC2 started a machine though it has no capacity: see `cloudjhub local status`")

    def fault(self, name: str, *, on: bool) -> None:
        """Switch a fault."""
        environment.set_fault(self._settings, name, on=on)
        self._say(f"     (cloudjhub local fault {name} {'on' if on else 'off'})")

    def leave(self) -> None:
        """Take everything back: the policy, and the machine with its home."""
        now = policies.texts(self._site).get(SCOPE)
        policies.write(self._site, SCOPE, now, given(self._before or ""), utc_now())
        mine = [
            one for one in listed_workers(self._site, utc_now()) if one.user == USER and one.owns_resources
        ]
        terminate(self._site, mine, utc_now, lambda _: None, with_home=True)

    @property
    def _user(self) -> Person:
        assert self._person is not None
        return self._person

    def _record(self) -> Worker:
        return self._await("the machine is recorded", lambda: store_of(self._site).get(USER))

    def _reported(self, seen: str, prefix: str) -> str:
        """Says what the record gives as the reason, if that is new; the reason."""
        record = self._record()
        why = text(record.message)
        reason = f"{record.state}: {why}" if why else str(record.state)
        if reason != seen:
            self._say(f"     {prefix}{reason}")
        return reason

    def _hub_answers(self) -> bool:
        try:
            return requests.get(f"{self._settings.public_url}/hub/api/", timeout=2).ok
        except requests.RequestException:
            return False

    def _await(self, what: str, look: Callable[[], T | None]) -> T:
        """What `look` returns, once it is true. Raises StepFailed."""
        for _ in polls(PATIENCE, every=0.5):
            if found := look():
                return found
        raise StepFailed(f"waited {PATIENCE:.0f} s in vain until {what}: see `cloudjhub local logs`")
