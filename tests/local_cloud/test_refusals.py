"""No endpoint of the local cloud answers a stranger: neither another user of this machine nor a web page."""

import http.client
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import requests
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bootstrap.local import environment
from bootstrap.local.cloud.emulator import write_snapshot
from tests.local_cloud.cloud_process import KEY, REGION, SECRET, CloudProcess, ministack
from tests.shared.another_user import as_another_user
from tests.shared.waiting import PATIENCE

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REFUSED = (401, 403)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A request; `service` signs it, `""` for the operator's secret as a bearer token."""

    name: str
    service: str
    method: str = "POST"
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def send(self, base: str, *, secret: str | None = SECRET, **headers: str) -> requests.Response:
        """Unsigned where there is no secret."""
        every = {**self.headers, **headers}
        if secret is not None and not self.service:
            every["Authorization"] = f"Bearer {secret}"
        made = AWSRequest(method=self.method, url=base + self.path, headers=every, data=self.body)
        if secret is not None and self.service:
            signer = S3SigV4Auth if self.service == "s3" else SigV4Auth
            signer(Credentials(KEY, secret), self.service, REGION).add_auth(made)
        sent = dict(made.headers.items())
        return requests.request(self.method, base + self.path, headers=sent, data=self.body, timeout=PATIENCE)


def json_call(name: str, service: str, target: str, body: str = "{}") -> Endpoint:
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}
    return Endpoint(name, service, headers=headers, body=body)


CLOUD = (
    Endpoint("ec2", "ec2", headers=FORM, body="Action=DescribeInstances&Version=2016-11-15"),
    Endpoint("cloudwatch", "monitoring", headers=FORM, body="Action=DescribeAlarms&Version=2010-08-01"),
    Endpoint("cloudformation", "cloudformation", headers=FORM, body="Action=DescribeStacks&Version=2010-05-15"),
    Endpoint("iam", "iam", headers=FORM, body="Action=ListRoles&Version=2010-05-08"),
    Endpoint("sts", "sts", headers=FORM, body="Action=GetCallerIdentity&Version=2011-06-15"),
    Endpoint("s3", "s3", "GET"),
    json_call("dynamodb", "dynamodb", "DynamoDB_20120810.ListTables"),
    json_call("ssm", "ssm", "AmazonSSM.DescribeParameters"),
    Endpoint("health", "", "GET", "/_cloud/health"),
    Endpoint("state", "", "GET", "/_cloud/state"),
    Endpoint("calls", "", "GET", "/_cloud/calls"),
    Endpoint("permissions", "", "GET", "/_cloud/permissions"),
    Endpoint("faults", "", path="/_cloud/faults", body='{"name": "capacity", "on": false}'),
    Endpoint("images", "", path="/_cloud/images", body='{"image_id": "ami-0123456789abcdef0"}'),
    Endpoint("metrics", "", path="/_cloud/metrics", body="[]"),
)  # fmt: skip
EVENTS = (
    Endpoint("lambda", "lambda", "GET", "/2015-03-31/functions/"),
    json_call("events", "events", "AWSEvents.ListRules"),
    json_call("logs", "logs", "Logs_20140328.DescribeLogGroups"),
    json_call("sqs", "sqs", "AmazonSQS.ListQueues"),
    Endpoint("sns", "sns", headers=FORM, body="Action=ListTopics&Version=2010-03-31"),
    Endpoint("ministack", "", "GET", "/_ministack/health"),
    Endpoint("reset", "", path="/_ministack/reset"),
)
EVERY = [pytest.param(False, one, id=one.name) for one in CLOUD] + [
    pytest.param(True, one, id=one.name) for one in EVENTS
]


@pytest.fixture(scope="module")
def bases(cloud: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The endpoints of the cloud process and of ministack beside it."""
    with ministack(cloud.endpoint, tmp_path_factory.mktemp("ministack")) as events:
        yield cloud.endpoint, events


@pytest.mark.parametrize(("is_event", "endpoint"), EVERY)
def test_only_rightly_signed_requests_are_answered(
    bases: tuple[str, str], is_event: bool, endpoint: Endpoint
) -> None:
    base = bases[is_event]
    answer = endpoint.send(base)
    assert answer.status_code == 200, answer.text
    for secret in (None, "not the secret"):
        assert endpoint.send(base, secret=secret).status_code in REFUSED, secret


@pytest.mark.parametrize(("is_event", "endpoint"), EVERY)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example:4566"},
        {"Host": "127.0.0.1"},
    ],
    ids=["origin", "null", "host", "address"],
)
def test_web_pages_are_refused_whatever_they_sign(
    bases: tuple[str, str], is_event: bool, endpoint: Endpoint, headers: dict[str, str]
) -> None:
    """With the right signature even: a page may have one by way of the user's own programs."""
    assert endpoint.send(bases[is_event], **headers).status_code == 403


def test_instance_metadata_needs_its_path(cloud: CloudProcess) -> None:
    """The path is the secret; and it is not for web pages either."""
    path = cloud.metadata(cloud.running()["instance_id"]).removeprefix(cloud.endpoint)
    own = Endpoint(
        "own", "", "PUT", f"{path}latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    )
    instance, key = path.strip("/").split("/")[1:]
    guessed = replace(own, path=f"/_imds/{instance}/{'0' * len(key)}/latest/api/token")
    assert own.send(cloud.endpoint, secret=None).status_code == 200
    assert guessed.send(cloud.endpoint, secret=None).status_code == 404
    assert own.send(cloud.endpoint, secret=None, Origin="http://evil.example").status_code == 403
    assert own.send(cloud.endpoint, secret=None, Host="evil.example").status_code == 403


def test_a_body_above_the_limit_is_refused(bases: tuple[str, str]) -> None:
    for base in bases:
        asked = http.client.HTTPConnection(base.removeprefix("http://"), timeout=PATIENCE)
        asked.putrequest("POST", "/")
        asked.putheader("Content-Length", str(64 * 1024 * 1024 + 1))
        asked.endheaders()
        assert asked.getresponse().status == 413
        asked.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_of_this_machine_can_do_nothing(bases: tuple[str, str], tmp_path: Path) -> None:
    """An unprivileged account: no file of the state directory, no answer of any endpoint."""
    environment.operator_secret(tmp_path)
    write_snapshot(tmp_path / "cloud.snapshot", b"everything")
    tmp_path.chmod(0o755)  # readable files would be found whatever the directory's mode
    for directory in tmp_path.parents[:3]:
        directory.chmod(directory.stat().st_mode | 0o011)
    got = as_another_user(lambda: what_a_stranger_gets(bases, tmp_path))
    assert set(got.pop("files").values()) == {"PermissionError"}
    assert got.pop("processes") == [], "no command line and no readable environment has the secret"
    assert any(SECRET.encode() in text for text in process_texts("environ")), "its owner finds it there"
    assert len(got) == len(EVERY)
    assert set(got.values()) <= set(REFUSED), got


def what_a_stranger_gets(bases: tuple[str, str], state_dir: Path) -> dict[str, object]:
    """Statuses by endpoint with guessed credentials, and the errors of reading files."""
    found: dict[str, object] = {
        one.name: one.send(base, secret="guessed").status_code
        for base, endpoints in zip(bases, (CLOUD, EVENTS), strict=True)
        for one in endpoints
    }
    files = {}
    for name in ("operator-secret", "cloud.snapshot"):
        try:
            (state_dir / name).read_bytes()
            files[name] = "read"
        except OSError as error:
            files[name] = type(error).__name__
    seen = [
        name for name in ("cmdline", "environ") if any(SECRET.encode() in one for one in process_texts(name))
    ]
    return found | {"files": files, "processes": seen}


def process_texts(name: str) -> Iterator[bytes]:
    """What the lists of processes show of every process."""
    for path in Path("/proc").glob(f"[0-9]*/{name}"):
        with suppress(OSError):
            yield path.read_bytes()
