"""Who is let in: signatures judged as AWS judges them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from werkzeug import Request

from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.gateway.authentication import Identity, function_secret, verify
from bootstrap.local.cloud.wire import read_authorization
from tests.local_cloud.cloud_process import ACCOUNT, KEY, SECRET, CloudProcess
from tests.shared.waiting import PATIENCE

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
SESSION = Identity("worker/i-1", "A:i-1", "arn", "ASIA1", "secret", "token", NOW + timedelta(hours=1))


def signed(at: datetime, *, secret: str = SESSION.secret, token: str | None = SESSION.token) -> Request:
    """A request signed at a moment."""
    url = "http://127.90.0.2:4566/"
    headers = {"Host": "127.90.0.2:4566", "X-CloudJHub-Hub": "hub"}
    made = AWSRequest(method="POST", url=url, data=BODY, headers=headers)
    # The stubs leave out what lets a signer sign at a given moment.
    signer: Any = SigV4Auth(Credentials("ASIA1", secret, token), "sts", "us-east-1")
    made.context["timestamp"] = at.strftime(SIGV4_TIMESTAMP)
    signer._modify_request_before_signing(made)
    words = signer.string_to_sign(made, signer.canonical_request(made))
    signer._inject_signature_to_request(made, signer.signature(words, made))
    return sent("POST", "/", made.headers, BODY)


def sent(method: str, target: str, headers: Any, body: bytes) -> Request:
    given = {name.lower(): value for name, value in headers.items()}
    return Request.from_values(target, method=method, headers=given, data=body)


def verdict(request: Request, identity: Identity | None = SESSION, now: datetime = NOW) -> str:
    """AWS's code for the request, "admitted" without one."""
    authorization = read_authorization(request.headers["authorization"])
    assert authorization is not None
    try:
        verify(request, authorization, identity, now)
    except AwsError as error:
        return error.code
    return "admitted"


@pytest.mark.parametrize(
    ("signed_at", "code"),
    [
        (NOW, "admitted"),
        (NOW - timedelta(minutes=15), "admitted"),
        (NOW - timedelta(minutes=15, seconds=1), "SignatureDoesNotMatch"),
        (NOW + timedelta(minutes=15), "admitted"),
        (NOW + timedelta(minutes=15, seconds=1), "SignatureDoesNotMatch"),
    ],
)
def test_a_signature_is_good_for_a_quarter_of_an_hour(signed_at: datetime, code: str) -> None:
    assert verdict(signed(signed_at)) == code


def test_another_secret_does_not_match() -> None:
    assert verdict(signed(NOW, secret="guess")) == "SignatureDoesNotMatch"


def test_an_unknown_key_or_another_session_s_token_is_told_apart_from_a_bad_signature() -> None:
    assert verdict(signed(NOW), identity=None) == "InvalidClientTokenId"
    assert verdict(signed(NOW, token="other")) == "InvalidClientTokenId"
    assert verdict(signed(NOW, token=None)) == "InvalidClientTokenId"


@pytest.mark.parametrize(
    ("left", "code"), [(timedelta(seconds=1), "admitted"), (timedelta(), "ExpiredToken")]
)
def test_a_session_ends(left: timedelta, code: str) -> None:
    assert SESSION.expires_at is not None
    now = SESSION.expires_at - left
    assert verdict(signed(now), now=now) == code


@pytest.mark.parametrize(
    ("header", "value"),
    [("x-cloudjhub-hub", "another hub"), ("host", "evil"), ("x-amz-date", "20261123T115959Z")],
)
def test_nothing_signed_can_be_changed(header: str, value: str) -> None:
    request = signed(NOW)
    changed = sent("POST", "/", {**request.headers, header: value}, BODY)
    assert verdict(changed) == "SignatureDoesNotMatch"


def test_the_body_and_the_path_are_signed_too() -> None:
    request = signed(NOW)
    assert verdict(sent("POST", "/", request.headers, BODY + b"&X=1")) == "SignatureDoesNotMatch"
    assert verdict(sent("POST", "/?X=1", request.headers, BODY)) == "SignatureDoesNotMatch"
    assert verdict(sent("GET", "/", request.headers, BODY)) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("service", "unknown", "bad"),
    [
        ("sts", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("ec2", "AuthFailure", "AuthFailure"),
        ("dynamodb", "UnrecognizedClientException", "InvalidSignatureException"),
        ("cloudwatch", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("s3", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    ],
)
def test_every_service_is_closed_to_strangers(
    cloud: CloudProcess, service: str, unknown: str, bad: str
) -> None:
    ask = {
        "sts": "get_caller_identity", "ec2": "describe_vpcs", "dynamodb": "list_tables",
        "cloudwatch": "describe_alarms", "s3": "list_buckets",
    }[service]  # fmt: skip
    for key, secret, code in (("AKIASTRANGERSTRANGER", "x", unknown), (KEY, "not the secret", bad)):
        with pytest.raises(ClientError) as refused:
            getattr(cloud.bare_client(service, key, secret), ask)()
        assert refused.value.response["Error"]["Code"] == code
    getattr(cloud.bare_client(service), ask)()


def test_the_operator_and_the_functions_are_known(cloud: CloudProcess) -> None:
    """A function is the session of its role, which has its name."""
    assert cloud.bare_client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{KEY}"
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/worker"
    own = function_secret(SECRET, "function.worker")
    assert cloud.bare_client("sts", "function.worker", own).get_caller_identity()["Arn"] == arn
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        cloud.bare_client("sts", "function.nothing", own).get_caller_identity()


def test_a_functions_secret_opens_nothing_else(cloud: CloudProcess) -> None:
    """Neither the control API, nor the operator's key; and the operator's secret is not a function's."""
    own = function_secret(SECRET, "function.worker")
    headers = {"Authorization": f"Bearer {own}"}
    assert (
        requests.get(f"{cloud.endpoint}/_cloud/state", headers=headers, timeout=PATIENCE).status_code == 403
    )
    for key, secret in ((KEY, own), ("function.worker", SECRET)):
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            cloud.bare_client("sts", key, secret).get_caller_identity()


def test_an_assumed_role_is_its_session(cloud: CloudProcess) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/worker"
    found = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="i-1")["Credentials"]
    sts = cloud.bare_client("sts", found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/i-1"
    stolen = cloud.bare_client("sts", found["AccessKeyId"], found["SecretAccessKey"], "another token")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        stolen.get_caller_identity()


def test_an_iam_user_s_key_works_until_it_is_deactivated(cloud: CloudProcess) -> None:
    iam = cloud.client("iam")
    iam.create_user(UserName="ci")
    made = iam.create_access_key(UserName="ci")["AccessKey"]
    key = made["AccessKeyId"]
    sts = cloud.bare_client("sts", key, made["SecretAccessKey"])
    assert sts.get_caller_identity()["Arn"].endswith(":user/ci")
    iam.update_access_key(UserName="ci", AccessKeyId=key, Status="Inactive")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        sts.get_caller_identity()
