"""A call too many of each service, as the SDK sees it, and that the operator's commands ride over it."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from werkzeug import Request, Response

from bootstrap.aws.session import PATIENT
from bootstrap.local.cloud import wire
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.faults import Faults
from bootstrap.local.cloud.gateway.control import Control
from bootstrap.local.cloud.gateway.server import Server
from bootstrap.local.cloud.gateway.throttling import Buckets, Throttle
from tests.local_cloud.cloud_process import ADDRESS, EVENTS_ADDRESS, KEY, REGION, SECRET
from tests.shared.addresses import free_port

# moto names each error that no model lists; AWS's models do not list throttling.
pytestmark = pytest.mark.filterwarnings(r"ignore:Exception\(AwsError\)")

CALLS: dict[str, tuple[str, dict[str, Any], tuple[str, int]]] = {
    "iam": ("create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}, ("Throttling", 400)),
    "cloudformation": ("describe_stacks", {}, ("Throttling", 400)),
    "cloudwatch": ("delete_alarms", {"AlarmNames": ["a"]}, ("Throttling", 400)),
    "lambda": ("list_tags", {"Resource": "arn:aws:lambda:::function:f"}, ("TooManyRequestsException", 429)),
    "ec2": ("stop_instances", {"InstanceIds": ["i-0123456789abcdef0"]}, ("RequestLimitExceeded", 503)),
}
REFUSALS = 2
"""After so many the buckets are full again."""
MORE_THAN_ANY_BUCKET = 60


@dataclass(slots=True)
class Account:
    """An AWS of which only the rates are there. Its clock stands still until calls have been refused."""

    now: float = 0.0
    refused: int = 0
    throttle: Throttle = field(init=False)

    def __post_init__(self) -> None:
        self.throttle = Throttle(Buckets(lambda: self.now), Faults())

    def answer(self, request: Request) -> Response:
        call = wire.read_call(request)
        try:
            self.throttle.check(call)
        except AwsError as error:
            self.refused += 1
            if self.refused == REFUSALS:
                self.now += 1000.0
            return wire.refuse(call, error)
        return wire.answer(call, {})


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def endpoint(account: Account) -> Iterator[str]:
    port = free_port(ADDRESS)
    server = Server(ADDRESS, port, account.answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{ADDRESS}:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def call_of(service: str, endpoint: str, config: Config) -> Any:
    make: Any = boto3.client
    client = make(
        service, endpoint_url=endpoint, region_name=REGION, config=config,
        aws_access_key_id=KEY, aws_secret_access_key=SECRET,
    )  # fmt: skip
    return getattr(client, CALLS[service][0])


@pytest.mark.parametrize("service", CALLS)
def test_the_service_s_own_refusal_and_the_commands_ride_over_it(
    account: Account, endpoint: str, service: str
) -> None:
    _, given, refusal = CALLS[service]
    bare = call_of(service, endpoint, Config(retries={"max_attempts": 0}))

    def ask_too_often() -> None:
        for _ in range(MORE_THAN_ANY_BUCKET):
            bare(**given)

    with pytest.raises(ClientError) as refused:
        ask_too_often()
    response = refused.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == refusal
    call_of(service, endpoint, PATIENT)(**given)
    assert account.refused == REFUSALS


def test_calls_that_ministack_answers_are_counted_too(account: Account) -> None:
    """It asks the cloud process about each, which refuses one too many in Lambda's own form."""
    identities = SimpleNamespace(identify=lambda _: SimpleNamespace(principal="operator"))
    nothing = cast(Any, None)
    control = Control(
        nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing,
        cast(Any, identities), account.throttle, "",
    )  # fmt: skip
    signed = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0a"
    asked = {
        "method": "GET",
        "target": "/2015-03-31/functions?MaxItems=50",
        "headers": {"authorization": signed, "host": EVENTS_ADDRESS},
        "body": base64.b64encode(b"").decode(),
    }

    def judged() -> Any:
        return control._check_signature(Request.from_values("/", method="POST", data=json.dumps(asked)))

    assert [judged() for _ in range(15)] == [{"principal": "operator"}] * 15
    refusal = judged()
    assert refusal.status_code == 429
    assert wire.error_code(refusal) == "TooManyRequestsException"
