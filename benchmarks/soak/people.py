"""Simulated users: each acts by its seed, and logs what it did and saw."""

import hashlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

import requests
import websocket

from benchmarks.soak.story import Event, Seen
from tests.scenarios.person import Person, SpawnFailed

T = TypeVar("T")

OUTAGE = (requests.RequestException, websocket.WebSocketException, OSError, KeyError, ValueError)
"""What a user gets while hub or proxy are down."""
PATIENCE = 60.0
"""Seconds within which a running server must answer again."""
LOGIN_PATIENCE = 360.0
"""A machine that never answers is given up after 90 s and started again, once."""
DOUBT = 30.0
"""Seconds after which a user presses Stop if the server does not answer although the hub reports it as running."""


class Lost(Exception):
    """Something that existed is missing; says what."""


class SimulatedUser:
    """A simulated user; `log` gets what it did and saw."""

    def __init__(self, person: Person, seed: str, idle_timeout: float, log: Callable[[Seen], None]) -> None:
        self.person = person
        self._chance = Random(seed)  # noqa: S311 -- not a secret
        self._idle_timeout = idle_timeout
        self._log = log
        self._files: dict[str, str] = {}
        self._kernel, self._kernel_since, self._value = "", datetime.now(UTC), ""
        self._ready_since = datetime.now(UTC)

    def live(self, is_over: threading.Event) -> None:
        """Log in, work and leave repeatedly until the soak is over."""
        is_over.wait(self._chance.uniform(0, 10))
        while not is_over.is_set():
            if self._arrive(is_over):
                try:
                    self._visit()
                except Lost as lost:
                    self._note(Event.LOST, since=self._ready_since, message=str(lost))
            if not is_over.is_set():
                self._leave(is_over)

    # -- coming

    def _arrive(self, is_over: threading.Event) -> bool:
        """Start the server until it is ready, or is refused."""
        self._note(Event.ASKED)
        try:
            if not self._reach():
                return False  # the log ends here, and the audit says so
        except SpawnFailed as failed:
            self._note(Event.FAILED, message=str(failed))
            is_over.wait(self._chance.uniform(2, 8))
            return False
        self._ready_since = datetime.now(UTC)
        self._note(Event.READY)
        return True

    def _reach(self) -> bool:
        end, doubted = time.monotonic() + LOGIN_PATIENCE, None
        while time.monotonic() < end:
            try:
                state = self._ask()
                if state == "ready" and self._answers():
                    return True
            except OUTAGE:
                state = "silent"
            doubted = (doubted or time.monotonic()) if state == "ready" else None
            if doubted and time.monotonic() - doubted > DOUBT:
                self._note(
                    Event.LOST,
                    since=self._ready_since,
                    message="its server runs, according to the hub, and does not answer",
                )
                self._press()
                doubted = None
            time.sleep(1)
        return False

    def _ask(self) -> str:
        """Press Start and follow the progress; "ready" as far as the hub knows. SpawnFailed with the hub's message."""
        answer = self.person.hub("POST", f"users/{self.person.name}/server", {})
        if answer.status_code not in (201, 202, 400):
            return "silent"
        try:
            self.person.await_ready()
        except SpawnFailed as failed:
            if str(failed).startswith("the progress ended early"):
                return "silent"
            raise
        return "ready"

    def _answers(self) -> bool:
        return self.person.lab("GET", "api/status").ok

    # -- being there

    def _visit(self) -> None:
        if not self._retried("the hub's home page", self._is_logged_in):
            self._note(Event.LOGGED_OUT)
        self._read_a_file()
        self._write_a_file()
        self._open_the_notebook()
        self._use_the_notebook()
        self._work()

    def _is_logged_in(self) -> bool:
        answer = self.person.page("/hub/home")
        if answer.status_code >= 500 or answer.status_code == 404:
            raise requests.HTTPError("the hub is down")
        return "/hub/login" not in answer.url

    def _read_a_file(self) -> None:
        if self._files:
            name = self._chance.choice(sorted(self._files))
            found = self._retried(f"file {name}", lambda: self._content(name))
            self._note(Event.READ, file=name, checksum=checksum(found) if found is not None else "")

    def _content(self, name: str) -> str | None:
        """None if the server itself reports that there is no such file."""
        names = [one["name"] for one in self._json("api/contents")["content"]]
        return str(self._json(f"api/contents/{name}")["content"]) if name in names else None

    def _json(self, path: str) -> Any:
        answer = self.person.lab("GET", path)
        answer.raise_for_status()
        return answer.json()

    def _write_a_file(self) -> None:
        name, content = f"file-{len(self._files)}.txt", f"{self.person.name} {self._chance.random()}"
        at = datetime.now(UTC)
        self._retried("saving a file", lambda: self.person.write(name, content))
        self._files[name] = checksum(content)
        self._note(Event.WROTE, file=name, checksum=checksum(content))
        self._note(Event.ACTED, at=at, message="saved a file")

    def _open_the_notebook(self) -> None:
        """The kernel of the last visit with its value, if its machine was up all the time; else a new one."""
        if self._kernel:
            alive = [one["id"] for one in self._retried("kernels", lambda: self._json("api/kernels"))]
            if self._kernel in alive:
                return
            self._note(Event.LOST, since=self._kernel_since, message=f"kernel {self._kernel}")
        self._kernel = self._retried("a kernel", self.person.open_kernel)
        self._kernel_since, self._value = datetime.now(UTC), str(self._chance.random())
        self._run(f"x = {self._value!r}")

    def _use_the_notebook(self) -> None:
        output = self._run("print(x)")
        if output != f"{self._value}\n":
            self._note(Event.LOST, since=self._kernel_since, message=f"the kernel's value: {output!r}")

    def _run(self, code: str) -> str:
        def run() -> tuple[datetime, str]:
            at = datetime.now(UTC)
            return at, self.person.run_cell(self._kernel, code)

        at, output = self._retried("a cell", run)
        self._note(Event.ACTED, at=at, message="ran a cell")
        return output

    def _work(self) -> None:
        match self._chance.choices(("nothing", "cell", "terminal", "remain"), (3, 3, 2, 2))[0]:
            case "cell":
                seconds = self._chance.randint(5, 20)
                code = f"import time; time.sleep({seconds})"
                self._start_work(seconds, lambda: self.person.run_cell(self._kernel, code, wait=False))
            case "terminal":
                seconds = self._chance.randint(10, 60)
                self._start_work(seconds, lambda: self.person.run_in_terminal(f"sleep {seconds}"))
            case "remain":
                for _ in range(self._chance.randint(1, 3)):
                    time.sleep(self._chance.uniform(1, 5))
                    self._run("print(x)")

    def _start_work(self, seconds: int, start: Callable[[], object]) -> None:
        at = datetime.now(UTC)
        try:
            start()
        except OUTAGE:
            return  # it is unknown whether it runs
        self._note(Event.WORKS, at=at, until=at + timedelta(seconds=seconds))

    # -- leaving

    def _leave(self, is_over: threading.Event) -> None:
        match self._chance.choices(("stop", "short", "long"), (3, 4, 3))[0]:
            case "stop":
                self._press()
                is_over.wait(self._chance.uniform(0, 10))
            case "short":
                is_over.wait(self._chance.uniform(2, 20))
            case "long":
                is_over.wait(self._idle_timeout + self._chance.uniform(5, 40))

    def _press(self) -> None:
        self._note(Event.PRESSED)
        try:
            self.person.stop()
        except OUTAGE:
            return

    def _retried(self, what: str, do: Callable[[], T]) -> T:
        """The result, as soon as `do` works; Lost if it fails for too long."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return do()
            except OUTAGE as error:
                if time.monotonic() > end:
                    raise Lost(f"{what}: {error}") from error
                time.sleep(1)

    def _note(
        self,
        event: Event,
        *,
        at: datetime | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        file: str = "",
        checksum: str = "",
        message: str = "",
    ) -> None:
        self._log(
            Seen(
                at=at or datetime.now(UTC), worker=self.person.name, event=event, since=since, until=until,
                file=file, checksum=checksum, message=message,
            )
        )  # fmt: skip


def checksum(content: str) -> str:
    """The SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(content.encode()).hexdigest()
