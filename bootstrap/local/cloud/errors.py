"""What passes between the HTTP server and those who answer, and the errors AWS answers with.

CloudError
├── AwsError        a refusal in AWS's own words, sent to the caller
├── StartupError    the cloud cannot start; one line that names the mend
└── UserDataError   the instance's user data cannot be carried out
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


class CloudError(Exception):
    """Root of the local cloud's errors."""


class AwsError(CloudError):
    """An error as AWS words it; `status` is the HTTP status that goes with it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class StartupError(CloudError):
    """The cloud cannot start."""


class UserDataError(CloudError):
    """The user data of an instance is not what cloud-init would accept."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, read whole. Header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    header_items: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())


def text(status: int, body: str) -> Response:
    return Response(status, body.encode(), (("Content-Type", "text/plain"),))


def as_json(body: object) -> Response:
    return Response(200, json.dumps(body).encode(), (("Content-Type", "application/json"),))
