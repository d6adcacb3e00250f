"""Gets a server's environment from the hub, in exchange for the machine's identity."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests

from .errors import EnvironmentUnavailable

PATH = "/cloudjhub/environment"
TIMEOUT = timedelta(seconds=10)

FIRST_WAIT = timedelta(seconds=0.5)
LONGEST_WAIT = timedelta(seconds=15)
# The hub said no: only an operator changes that.
REFUSED_WAIT = timedelta(seconds=60)
LONGEST_RETRY_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ServerEnvironment:
    """What the hub wants a server to be started with. Holds the server's token: never logged."""

    variables: Mapping[str, str]
    arguments: tuple[str, ...]

    def __repr__(self) -> str:
        return f"ServerEnvironment({len(self.variables)} variables, {len(self.arguments)} arguments)"


class HubClient:
    """The hub's API on the private network. Raises EnvironmentUnavailable."""

    def __init__(self, hub_api: str) -> None:
        self._url = hub_api + PATH
        self._http = requests.Session()
        self._http.trust_env = False  # the hub is a neighbour: no proxy, no .netrc

    def environment(self, proof: Mapping[str, Any]) -> ServerEnvironment:
        """The environment of this machine's server."""
        try:
            response = self._http.post(self._url, json=proof, timeout=TIMEOUT.total_seconds())
        except requests.RequestException as error:
            raise EnvironmentUnavailable(f"the hub cannot be reached: {error}") from error
        if response.status_code != 200:
            raise refusal(response.status_code, response.headers.get("Retry-After"))
        try:
            return parse(response.json())
        except ValueError as error:
            raise EnvironmentUnavailable(f"the hub's answer is not understood: {error}") from error


def parse(answer: Any) -> ServerEnvironment:
    """The hub's answer. Raises ValueError without quoting it: it holds a token."""
    variables = answer.get("env") if isinstance(answer, dict) else None
    arguments = answer.get("args", []) if isinstance(answer, dict) else None
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise ValueError("env is not an object of texts")
    if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
        raise ValueError("args is not a list of texts")
    return ServerEnvironment(variables, tuple(arguments))


def refusal(status: int, retry_after: str | None = None) -> EnvironmentUnavailable:
    """What a status other than 200 means."""
    match status:
        case 401:
            return EnvironmentUnavailable(
                "the hub cannot verify who this machine is (401): is its clock right, its role the worker's, "
                "and hub_name the hub's own name?",
                refused=True,
            )
        case 403:
            return EnvironmentUnavailable(
                "the hub knows this machine, but not as a worker of its cluster (403)", refused=True
            )
        case 409:
            return EnvironmentUnavailable(
                "nobody waits for this server yet (409)", retry_after=_after(retry_after)
            )
        case _:
            return EnvironmentUnavailable(f"the hub answers {status}", retry_after=_after(retry_after))


def _after(text: str | None) -> timedelta | None:
    if text is None or not text.isdecimal():
        return None
    return min(timedelta(seconds=int(text)), LONGEST_RETRY_AFTER)


def wait(attempt: int, failure: Exception, jitter: Callable[[], float] = random.random) -> timedelta:
    """How long to wait after the failure of attempt 1, 2, …: doubling up to a limit, spread over its upper half.

    Machines that were started together must not come back together.
    """
    longest = min(FIRST_WAIT * (1 << min(attempt - 1, 16)), LONGEST_WAIT)
    if isinstance(failure, EnvironmentUnavailable):
        if failure.refused:
            longest = REFUSED_WAIT
        elif failure.retry_after is not None:
            return failure.retry_after + FIRST_WAIT * jitter()
    return longest * (0.5 + 0.5 * jitter())
