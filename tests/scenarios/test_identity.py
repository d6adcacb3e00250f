"""Over HTTP: a worker gets its own environment only, and none gets one without identity."""

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.scenarios.cloud import LocalCloud
from tests.scenarios.person import TIMEOUT

pytestmark = pytest.mark.cloud

BODY = "Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture(scope="module")
def workers(cloud: LocalCloud) -> dict[str, str]:
    """The instance ids of two running workers."""
    people = [cloud.person(name) for name in ("rupert", "sybil")]
    for person in people:
        person.request_start()
    for person in people:
        person.await_ready()
    return {person.name: str(cloud.recorded(person.name)["instance"]) for person in people}


def credentials_on(cloud: LocalCloud, instance: str) -> Credentials:
    """What the metadata service gives to programs on that instance."""
    endpoint = cloud.told["environment"]["AWS_ENDPOINT_URL"]
    operator = {"Authorization": f"Bearer {cloud.told['environment']['AWS_SECRET_ACCESS_KEY']}"}
    asked = {"instance_id": instance}
    told = requests.post(f"{endpoint}/_cloud/metadata", json=asked, headers=operator, timeout=TIMEOUT).json()
    service = f"{endpoint}{told['metadata_path']}latest"
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = requests.put(f"{service}/api/token", headers=lifetime, timeout=TIMEOUT).text
    header = {"X-aws-ec2-metadata-token": token}
    path = f"{service}/meta-data/iam/security-credentials/"
    role = requests.get(path, headers=header, timeout=TIMEOUT).text
    found = requests.get(path + role, headers=header, timeout=TIMEOUT).json()
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])


def proof(cloud: LocalCloud, credentials: Credentials, hub: str | None = "cloudjhub-local") -> dict[str, Any]:
    """A signed GetCallerIdentity request, made out to a hub."""
    url = f"{cloud.told['environment']['AWS_ENDPOINT_URL']}/"
    headers = {
        "Host": urlsplit(url).netloc,
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
    }
    if hub:
        headers["X-Cloudjhub-Hub"] = hub
    request = AWSRequest("POST", url, data=BODY, headers=headers)
    SigV4Auth(credentials, "sts", "us-east-1").add_auth(request)
    return {"url": url, "headers": dict(request.headers.items()), "body": BODY}


def ask(cloud: LocalCloud, body: object) -> requests.Response:
    network = cloud.told["environment"]["AWS_ENDPOINT_URL"].split(".")[1]
    return requests.post(
        f"http://127.{network}.0.10:8081/hub/api/cloudjhub/environment", json=body, timeout=TIMEOUT
    )


def test_a_worker_gets_its_own_environment_and_no_other(cloud: LocalCloud, workers: dict[str, str]) -> None:
    answers = {name: ask(cloud, proof(cloud, credentials_on(cloud, workers[name]))) for name in workers}
    for name, answer in answers.items():
        assert answer.status_code == 200, answer.text
        assert answer.json()["env"]["JUPYTERHUB_USER"] == name
    tokens = {answer.json()["env"]["JUPYTERHUB_API_TOKEN"] for answer in answers.values()}
    assert len(tokens) == len(workers)


def test_no_user_gets_one_without_identity(cloud: LocalCloud, workers: dict[str, str]) -> None:
    """Each change to a good proof spoils it; none reveals a token."""
    good = proof(cloud, credentials_on(cloud, workers["rupert"]))
    real = credentials_on(cloud, workers["rupert"])
    variables = cloud.told["environment"]
    operator = Credentials(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    forged = Credentials(real.access_key, "0" * 40, real.token)
    bad: list[object] = [
        None,
        {},
        [],
        "x",
        {**good, "body": BODY.replace("GetCallerIdentity", "GetSessionToken")},
        {**good, "headers": {}},
        {**good, "headers": {**good["headers"], "X-Cloudjhub-Hub": "another"}},
        {**good, "url": "http://127.0.0.1:1/"},
        proof(cloud, real, hub=None),
        proof(cloud, real, hub="another"),
        proof(cloud, forged),
        proof(cloud, operator),
    ]
    for body in bad:
        answer = ask(cloud, body)
        assert answer.status_code in {400, 401, 403}, f"{body} was answered with {answer.status_code}"
        assert "JUPYTERHUB_API_TOKEN" not in answer.text
