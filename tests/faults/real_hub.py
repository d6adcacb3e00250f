"""A hub that decides by the real hub's own code, with a clock of its own, about a worker that tells what it likes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.drain.handler import WorkerAnswer, parse_answer, response
from hub.drain.verdict import Server, parse_request, refusal_before_asking, verdict
from lifecycle_app.contract import Drain
from tests.faults.hostile_hub import Asked, said, told
from tests.lifecycle.examples import HOUR, NOON

Telling = Callable[[], Mapping[str, Any]]


@dataclass(kw_only=True)
class RealHub:
    """The answers of hub.drain.handler.DrainHandler to what is asked of one worker."""

    clock: Callable[[], datetime]
    tells: Telling
    """What the worker answers when the hub asks it."""
    started: datetime = NOON - 2 * HOUR

    def __call__(self, asked: Asked) -> Iterator[bytes]:
        try:
            request = parse_request(asked.body, self.clock())
        except ValueError as error:
            yield said(str(error).encode(), "400 Bad Request")
            return
        server = Server(pending=None, active=True, started=self.started, instance_id=request.instance_id)
        refused = refusal_before_asking(request, server)
        heard = (
            WorkerAnswer()
            if refused or request.mode is Drain.REGARDLESS
            else self._heard(request.instance_id)
        )
        answer = refused or verdict(request, server, heard.observation, heard.problem, answers=heard.answers)
        yield told(response(request, answer))

    def _heard(self, instance_id: str) -> WorkerAnswer:
        return parse_answer(self.tells(), instance_id, self.clock())
