"""A user who measures the start of the server."""

import json
import time
from dataclasses import dataclass

import requests

from hub.spawn import start
from tests.scenarios.cloud import LocalCloud
from tests.scenarios.person import TIMEOUT, Person, SpawnFailed

# A server is usable when its page is there and it can name the kernels to start.
USABLE = ("lab", "api/kernelspecs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Seconds from pressing Start until each step of the progress page was shown, and until Lab was usable."""

    booting: float
    fetched: float
    answers: float
    usable: float
    began: float
    """Epoch seconds."""


class Visitor(Person):
    """Starts a server as a browser does: follows the progress, and opens Lab when the page says that it is ready."""

    def timed_start(self) -> Login:
        """Start the default server; SpawnFailed with the hub's message if it does not start."""
        began, clock = time.time(), time.monotonic()
        self.request_start()
        steps = self._timed_progress(clock)
        for path in USABLE:
            self.lab("GET", path).raise_for_status()
        return Login(
            booting=steps[start.BOOTING],
            fetched=steps[start.FETCHED],
            answers=steps[start.ANSWERED],
            usable=time.monotonic() - clock,
            began=began,
        )

    def await_usable(self, url: str, patience: float) -> None:
        """Return when the server at `url` is usable by this user; polls it. TimeoutError if it never is."""
        end = time.monotonic() + patience
        waiting = list(USABLE)
        while waiting:
            if self._is_there(f"{url}/{waiting[0]}"):
                waiting.pop(0)
            elif time.monotonic() > end:
                raise TimeoutError(f"{url} did not answer within {patience:.0f} s")
            else:
                time.sleep(0.05)

    def _is_there(self, url: str) -> bool:
        try:
            answer = requests.get(url, headers=self._headers(), timeout=TIMEOUT, allow_redirects=False)
        except requests.ConnectionError:
            return False
        return answer.status_code == 200

    def _timed_progress(self, clock: float) -> dict[int, float]:
        """When the page first showed each percentage."""
        steps: dict[int, float] = {}
        url = f"{self.url}/hub/api/{self._server_path('')}/progress"
        with requests.get(url, headers=self._headers(), stream=True, timeout=300) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines(chunk_size=1):
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    if event.get("failed"):
                        raise SpawnFailed(event["message"])
                    steps.setdefault(event["progress"], time.monotonic() - clock)
                    if event.get("ready"):
                        return steps
        raise SpawnFailed(f"the progress ended early: {steps}")


def visitor(cloud: LocalCloud, name: str) -> Visitor:
    """A user who has just logged in."""
    return Visitor(cloud.url, name, cloud.password())
