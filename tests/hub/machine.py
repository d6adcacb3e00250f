"""A worker's machine as the hub meets it: proves its identity, fetches its environment, answers on its address."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
from botocore.credentials import ReadOnlyCredentials

from bootstrap.worker.environment import signed_proof
from tests.hub.emulated import HUB_ADDRESS, HUB_NAME, ROLE, Emulated
from tests.shared.waiting import PATIENCE, until


def proof_of(
    emulated: Emulated, session: str, *, role: str = ROLE, hub_name: str = HUB_NAME
) -> dict[str, Any]:
    """What a machine with this role session sends; moto's STS stands for AWS's."""
    sts = emulated.client("sts")
    arn = f"arn:aws:iam::123456789012:role/{role}"
    given = sts.assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"]
    credentials = ReadOnlyCredentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    return signed_proof(credentials, sts_url=emulated.endpoint + "/", region="us-east-1", hub_name=hub_name)


def fetch(proof: Any, hub: str = HUB_ADDRESS, **headers: str) -> requests.Response:
    """Asks the hub at this address for the environment."""
    url = f"http://{hub}:8081/hub/api/cloudjhub/environment"
    return requests.post(url, json=proof, headers=headers, timeout=PATIENCE)


class Machine:
    """The server of one worker. `activity` is what its reporter tells, `status` how it answers that question."""

    def __init__(self, emulated: Emulated, instance_id: str, address: str) -> None:
        self.instance_id = instance_id
        self.environment: dict[str, str] = {}
        self.activity: dict[str, Any] = {
            "instance_id": instance_id,
            "last_interaction": None,
            "last_work": None,
            "busy_kernels": 0,
            "busy_terminals": 0,
            "cpu_percent": 0.0,
            "level": 0,
            "details": [],
        }
        self.status = 200
        self.pages: Callable[[str], tuple[list[tuple[str, str]], bytes]] | None = None
        """What a hostile user's server answers instead: headers and body for a path."""
        self.asked_with: list[str] = []
        self.is_up = True
        self.verify_at = ""
        """Where it verifies the token that it is asked with, as a real server does; "" for not."""
        self.verified: list[int] = []
        self.environment = until(lambda: self._environment(emulated))
        self._server = ThreadingHTTPServer((address, 8888), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _environment(self, emulated: Emulated) -> dict[str, str] | None:
        """None while the hub does not know yet that it has launched this instance."""
        answer = fetch(proof_of(emulated, self.instance_id), emulated.hub_address)
        assert answer.status_code in (200, 409), answer.text
        found: dict[str, str] | None = answer.json().get("env")
        return found

    def boot_again(self, emulated: Emulated) -> None:
        """Fetches its environment as after a start of its instance, and then answers again."""
        self.environment = until(lambda: self._environment(emulated))
        self.is_up = True

    def shut_down(self) -> None:
        """Answers no more, as after a stop of its instance."""
        self.is_up = False

    def close(self) -> None:
        """Ends it, as a stop of the instance does."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        machine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not machine.is_up:
                    self.close_connection = True
                    return
                prefix = machine.environment["JUPYTERHUB_SERVICE_PREFIX"]
                if self.path.startswith(prefix + "cloudjhub/activity"):
                    machine.asked_with.append(self.headers.get("Authorization", ""))
                    if machine.verify_at:
                        headers = {"Authorization": machine.asked_with[-1]}
                        answer = requests.get(machine.verify_at, headers=headers, timeout=PATIENCE)
                        machine.verified.append(answer.status_code)
                    self._answer({"observed_at": time.time(), **machine.activity}, machine.status)
                elif self.path.startswith(prefix) and machine.pages:
                    self._send(*machine.pages(self.path))
                elif self.path.startswith(prefix):
                    self._answer({"version": "2"})
                else:
                    self.send_error(404)

            def _answer(self, body: Any, status: int = 200) -> None:
                self._send([("X-JupyterHub-Version", "6.1.1")], json.dumps(body).encode(), status)

            def _send(self, headers: list[tuple[str, str]], body: bytes, status: int = 200) -> None:
                self.send_response(status)
                for name, value in [*headers, ("Content-Length", str(len(body)))]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler


def boot(emulated: Emulated, user: str, machines: list[Machine]) -> Machine:
    """Boots the user's instance as soon as there is one."""
    instance = until(lambda: emulated.instances_of(user))[0]
    machine = Machine(emulated, instance["InstanceId"], instance["PrivateIpAddress"])
    machines.append(machine)
    return machine
