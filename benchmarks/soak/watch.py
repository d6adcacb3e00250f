"""Watches a local cloud during a soak: the calls to EC2, and when each instance entered each state."""

import threading
from datetime import UTC, datetime
from typing import Any

from benchmarks.bench.counting import caller
from benchmarks.soak.story import Call, Crash, Transition
from lifecycle_app.contract import ROLE_WORKER, TAG_ROLE, TAG_SERVER, TAG_USER
from lifecycle_app.model.worker import State, worker_key
from tests.scenarios.cloud import LocalCloud, control

# Shorter than the shortest state: a boot.
LOOK_EVERY = 0.5
ACTIONS = {"RunInstances", "StartInstances", "StopInstances", "TerminateInstances"}


class Watch(threading.Thread):
    """Polls until `end`."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(daemon=True)
        self.calls: list[Call] = []
        self.transitions: set[Transition] = set()
        self.dead: set[Crash] = set()
        self._cloud = cloud
        self._number = 0
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.wait(LOOK_EVERY):
            self.look()

    def end(self) -> None:
        """Poll a last time."""
        self._is_over.set()
        self.join()
        self.look()

    def look(self) -> None:
        """Polls instances and calls once."""
        for one in workers(self._cloud):
            at = datetime.fromtimestamp(one["since"], UTC)
            key = worker_key(one["tags"][TAG_USER], one["tags"].get(TAG_SERVER, ""))
            self.transitions.add(
                Transition(at=at, instance_id=one["instance_id"], worker=key, state=state(one["state"]))
            )
            if one["dead"] and one["state"] == "running":
                self.dead.add(Crash(at=at, instance_id=one["instance_id"], how="booted dead"))
        self._look_at_calls()

    def _look_at_calls(self) -> None:
        for call in control(self._cloud.told, "calls", since=self._number)["calls"]:
            self._number = call["number"]
            if call["action"] in ACTIONS:
                self.calls.append(
                    Call(
                        at=datetime.fromtimestamp(call["at"], UTC),
                        caller=caller(call["principal"]),
                        action=call["action"],
                        instances=tuple(call["instances"]),
                        error=call["error"],
                    )
                )


def workers(cloud: LocalCloud) -> list[dict[str, Any]]:
    """The workers' instances, in whatever state."""
    return [
        one for one in control(cloud.told, "state")["instances"] if one["tags"].get(TAG_ROLE) == ROLE_WORKER
    ]


def state(word: str) -> State:
    """EC2's state as the records have it."""
    return State.TERMINATED if word == "shutting-down" else State(word)
