"""A cloud process for tests: started on a loopback address of its own, asked through boto3."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from bootstrap.local import programs
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

NETWORK = f"127.{100 + os.getpid() % 150}"
"""Two test runs on one machine keep out of each other's way."""
ADDRESS = f"{NETWORK}.0.2"
EVENTS_ADDRESS = f"{NETWORK}.0.3"
REGION = "us-east-1"
ACCOUNT = "123456789012"
KEY = "local-operator"
SECRET = "a-secret-for-tests"
OPERATOR = {"Authorization": f"Bearer {SECRET}"}
IMAGE = "ami-0c1d0b0000000000a"

SERVE_HOME = [sys.executable, "-m", "http.server", "8888", "--bind", "{address}", "--directory", "{home}"]
"""A stand-in for a worker: shows the instance's home on its address."""


class EventSink:
    """An EventBridge that keeps what it is given; CloudWatch Logs' calls it takes too, as ministack does."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.log_calls: list[tuple[str, dict[str, Any]]] = []
        self.is_failing = False
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service, _, action = self.headers.get("X-Amz-Target", "").partition(".")
                if service.startswith("Logs"):
                    sink.log_calls.append((action, body))
                    self.send_response(200)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"{}")
                    return
                if sink.is_failing:
                    self.send_error(503)
                    return
                sink.entries += body["Entries"]
                answer = json.dumps({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((EVENTS_ADDRESS, 0), Handler)
        self.endpoint = f"http://{EVENTS_ADDRESS}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def states(self, instance_id: str) -> list[str]:
        """The states reported for an instance, in order of arrival."""
        details = [json.loads(one["Detail"]) for one in self.entries if one["Source"] == "aws.ec2"]
        return [one["state"] for one in details if one["instance-id"] == instance_id]

    def alarms(self, name: str) -> list[dict[str, Any]]:
        entries = [json.loads(one["Detail"]) for one in self.entries if one["Source"] == "aws.cloudwatch"]
        return [one for one in entries if one["alarmName"] == name]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def is_up(endpoint: str) -> bool:
    """Whether ministack answers there."""
    try:
        return requests.get(f"{endpoint}/_ministack/health", headers=OPERATOR, timeout=PATIENCE).ok
    except requests.ConnectionError:
        return False


@contextmanager
def ministack(cloud: str, directory: Path) -> Iterator[str]:
    """The endpoint of a ministack as the local cloud runs it, with the cloud process at this endpoint."""
    port = free_port(EVENTS_ADDRESS)
    endpoint = f"http://{EVENTS_ADDRESS}:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": cloud,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "BIND_HOST": EVENTS_ADDRESS,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": EVENTS_ADDRESS,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.1",
        "CLOUDJHUB_LOCAL_METRICS_PERIOD": "0.5",
        "TMPDIR": str(directory),
    }
    script = Path(programs.__file__).with_name("emulate_lambda.py")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [programs.ministack(), "-P", script], env=environment, cwd=directory, stdout=log, stderr=log
        )
    try:
        until(lambda: is_up(endpoint), "ministack")
        yield endpoint
    finally:
        process.terminate()
        process.wait(PATIENCE)


class Patient:
    """A client that waits where EC2 tells it to slow down, and sees every other refusal."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def ask(*given: Any, **parameters: Any) -> Any:
            while True:
                try:
                    return method(*given, **parameters)
                except ClientError as error:
                    if error.response["Error"]["Code"] not in ("RequestLimitExceeded", "Throttling"):
                        raise
                    time.sleep(0.1)

        return ask


class CloudProcess:
    """A cloud, its network and what tests ask of it."""

    def __init__(self, state_dir: Path, events_endpoint: str, *options: str) -> None:
        self.state_dir = state_dir
        self.port = free_port(ADDRESS)
        self.endpoint = f"http://{ADDRESS}:{self.port}"
        self._events_endpoint = events_endpoint
        self._options = options
        self.subnets: dict[str, str] = {}
        self._clients: dict[tuple[str, str, str, str | None], Any] = {}
        self.process = self.start()

    def start(self, *options: str) -> "subprocess.Popen[bytes]":
        """Runs the process until it answers."""
        self.process = self.spawn(*options)
        until(lambda: self.process.poll() is not None or self._answers(), "the cloud to answer")
        assert self.process.poll() is None, "the cloud ended"
        return self.process

    def spawn(self, *options: str) -> "subprocess.Popen[bytes]":
        self.state_dir.mkdir(exist_ok=True)
        with (self.state_dir.parent / "cloud.log").open("ab") as log:
            return subprocess.Popen(
                [
                    sys.executable, "-m", "bootstrap.local.cloud",
                    "--address", ADDRESS, "--port", str(self.port), "--state-dir", str(self.state_dir),
                    "--events-endpoint", self._events_endpoint,
                    *self._options, *options,
                ],
                env={"PATH": os.environ["PATH"], "CLOUDJHUB_LOCAL_SECRET": SECRET, "OPERATORS_OWN": "not for workers"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip

    def stop(self) -> int:
        """Ends the process as its supervisor does; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def crash(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def client(self, service: str) -> Any:
        """The operator's client."""
        return Patient(self.bare_client(service))

    def bare_client(
        self, service: str, key: str = KEY, secret: str = SECRET, token: str | None = None
    ) -> Any:
        """A client without retries, so that a test sees each refusal."""
        credentials = (service, key, secret, token)
        if credentials not in self._clients:
            # The stubs know a literal for each service; tests ask for many by name.
            make: Any = boto3.client
            self._clients[credentials] = make(
                service,
                endpoint_url=self.endpoint,
                region_name=REGION,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                aws_session_token=token,
                config=Config(retries={"max_attempts": 0}),
            )
        return self._clients[credentials]

    def control(self, method: str, name: str, body: object = None) -> Any:
        answer = requests.request(
            method, f"{self.endpoint}/_cloud/{name}", json=body, headers=OPERATOR, timeout=PATIENCE
        )
        answer.raise_for_status()
        return answer.json()

    def metadata(self, instance_id: str) -> str:
        """Where the instance finds its metadata."""
        told = self.control("POST", "metadata", {"instance_id": instance_id})
        return f"{self.endpoint}{told['metadata_path']}"

    def fault(self, name: str, on: bool, **how: object) -> None:
        self.control("POST", "faults", {"name": name, "on": on, **how})

    def build(self) -> None:
        """A network of two zones and a worker role."""
        ec2, iam = self.client("ec2"), self.client("iam")
        vpc = ec2.create_vpc(CidrBlock=f"{NETWORK}.0.0/16")["Vpc"]["VpcId"]
        for zone, block in (("a", f"{NETWORK}.1.0/24"), ("b", f"{NETWORK}.2.0/24")):
            made = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=f"{REGION}{zone}")
            self.subnets[zone] = made["Subnet"]["SubnetId"]
        iam.create_role(RoleName="worker", AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName="worker")
        iam.add_role_to_instance_profile(InstanceProfileName="worker", RoleName="worker")
        self.control("POST", "images", {"image_id": IMAGE, "command": SERVE_HOME})

    def run(self, **changes: Any) -> dict[str, Any]:
        """The first instance of a launch with these changes to the usual request."""
        asked = {
            "ImageId": IMAGE,
            "InstanceType": "t3.medium",
            "MinCount": 1,
            "MaxCount": 1,
            "SubnetId": self.subnets["a"],
            "IamInstanceProfile": {"Name": "worker"},
            **changes,
        }
        reservation: dict[str, Any] = self.client("ec2").run_instances(**asked)
        instance: dict[str, Any] = reservation["Instances"][0]
        return instance

    def instance(self, instance_id: str) -> dict[str, Any]:
        """What the control API returns for an instance, without any lag."""
        found = [
            one for one in self.control("GET", "state")["instances"] if one["instance_id"] == instance_id
        ]
        assert found, f"no instance {instance_id}"
        return dict(found[0])

    def described(self, instance_id: str) -> dict[str, Any]:
        reservations = self.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
        return dict(reservations[0]["Instances"][0])

    def await_state(self, instance_id: str, state: str) -> dict[str, Any]:
        until(lambda: self.instance(instance_id)["state"] == state, f"{instance_id} to be {state}")
        return self.instance(instance_id)

    def await_page(self, address: str) -> None:
        """Waits for what the instance serves."""

        def is_served() -> bool:
            try:
                return requests.get(f"http://{address}:8888/", timeout=PATIENCE).ok
            except requests.ConnectionError:
                return False

        until(is_served, f"{address} to serve")

    def running(self, **changes: Any) -> dict[str, Any]:
        """A new instance that runs and serves."""
        instance_id = self.run(**changes)["InstanceId"]
        instance = self.await_state(instance_id, "running")
        self.await_page(instance["address"])
        return self.instance(instance_id)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.endpoint}/_cloud/health", headers=OPERATOR, timeout=PATIENCE).ok
        except requests.ConnectionError:
            return False
