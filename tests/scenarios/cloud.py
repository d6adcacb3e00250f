"""A running local cloud as a test sees it: its command line, its records, its EC2."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import requests

from bootstrap.cli.live_view import worker_row
from lifecycle_app.adapters.store import WorkerStore
from tests.scenarios.person import Person
from tests.shared.addresses import reserved
from tests.shared.waiting import PATIENCE, until

REPOSITORY = Path(__file__).resolve().parents[2]
POLL_EVERY = 0.5
KEPT_FOR = 3600.0


def control(told: dict[str, Any], name: str, body: object = None, **query: object) -> dict[str, Any]:
    """The control API's answer: a GET, or a POST of the body if there is one. `told` is what `up --json` printed."""
    variables = told["environment"]
    answer = requests.request(
        "GET" if body is None else "POST",
        f"{variables['AWS_ENDPOINT_URL']}/_cloud/{name}",
        params={key: str(value) for key, value in query.items()},
        json=body,
        headers={"Authorization": f"Bearer {variables['AWS_SECRET_ACCESS_KEY']}"},
        timeout=30,
    )
    answer.raise_for_status()
    return dict(answer.json())


class LocalCloud:
    """One local cloud, run by its own command line."""

    def __init__(self, state_dir: Path, port: int, *options: str) -> None:
        self.state_dir = state_dir
        self.port = port
        self.options = options
        self.told: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}
        self._kept: set[str] = set()
        self._files: dict[str, str] = {}

    def command(self, *words: str, check: bool = True) -> str:
        """What `python -m bootstrap local ...` prints."""
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "bootstrap",
                "local",
                words[0],
                "--state-dir",
                str(self.state_dir),
                *words[1:],
            ],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{words} failed: {done.stderr}\n{self.logs()}")
        return done.stdout

    def up(self) -> None:
        # A local cloud takes the first network that it sees free when it starts.
        with reserved("network"):
            told = self.command("up", "--detach", "--json", "--port", str(self.port), *self.options)
        self.told = json.loads(told)
        self._clients.clear()
        self._store = WorkerStore("local")

    def down(self) -> None:
        self.command("down")

    def logs(self) -> str:
        return "\n".join(
            f"== {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-25:])
            for log in sorted(self.state_dir.glob("log/*.log"))
        )

    @contextmanager
    def faults(self, *names: str, seconds: float | None = None) -> Iterator[None]:
        """These faults on, and off again whatever happens: other scenarios run in the same cloud.

        By the control API, as the command does it: a Python that starts for each switch takes the cores from what it
        is switched for. `slow-boot` and `slow-stop` hold machines for `seconds`, but no longer than they are on.
        """
        how = {} if seconds is None else {"seconds": seconds}
        try:
            for name in names:
                control(self.told, "faults", {"name": name, "on": True, **how})
            yield
        finally:
            for name in names:
                control(self.told, "faults", {"name": name, "on": False})

    @property
    def url(self) -> str:
        return str(self.told["url"])

    def password(self, *, admin: bool = False) -> str:
        return next(str(user["password"]) for user in self.told["users"] if user["admin"] is admin)

    def person(self, name: str, *, admin: bool = False, may_idle: bool = False) -> Person:
        """A logged-in user; only a user who `may_idle` is stopped by the cloud's short idle timeout.

        The others would be, too, where a test is slower than the timeout. Each file of tests has users of its own: the
        order of the files is free, and what one leaves behind must not matter to another.
        """
        file = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
        taken_by = self._files.setdefault(name, file)
        assert admin or taken_by == file, f"{taken_by} has a user {name} too: choose another name"
        person = Person(self.url, name, self.password(admin=admin))
        if not may_idle:
            self.keep(name)
        return person

    def keep(self, user: str) -> None:
        """Stop this user's machines for no idleness until `release`."""
        self.set_policy(f"user/{user}", idle_timeout=KEPT_FOR)
        self._kept.add(user)

    def release(self) -> None:
        """Let the cloud's idle timeout apply to all users again."""
        for user in self._kept:
            self.set_policy(f"user/{user}")
        self._kept.clear()

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.command("status", "--json")))

    def worker(self, key: str) -> dict[str, Any]:
        """The record of a worker as `status` shows it, or {} where there is none.

        Not by the command line: a Python that starts for each look takes the cores from what is looked at.
        """
        with patch.dict(os.environ, self.told["environment"]):
            found = self._store.get(key)
        return worker_row(found) if found else {}

    def recorded(self, key: str) -> dict[str, Any]:
        """The record of a worker whose server has just started: its first event may still be on its way."""
        return until(lambda: self.worker(key), f"the record of {key}")

    def settled(self, key: str) -> dict[str, Any]:
        """The record of a worker whose server has just started, once the events of the start are all recorded."""
        instance = self.recorded(key)["instance"]

        def newest() -> dict[str, Any] | None:
            machines = control(self.told, "state")["instances"]
            since = next(float(one["since"]) for one in machines if one["instance_id"] == instance)
            row = self.worker(key)
            return row if datetime.fromisoformat(row["since"]).timestamp() >= int(since) else None

        return until(newest, f"the record of {key}'s last event")

    def instances(self, key: str) -> list[dict[str, Any]]:
        """All EC2 instances tagged for this worker, terminated ones left out."""
        user, _, server = key.partition("/")
        found = self.client("ec2").describe_instances(
            Filters=[
                {"Name": "tag:cloudjhub:user", "Values": [user]},
                {"Name": "tag:cloudjhub:server", "Values": [server]},
                {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
            ]
        )
        return [
            dict(instance) for reservation in found["Reservations"] for instance in reservation["Instances"]
        ]

    def client(self, service: str) -> Any:
        """A client of this service, made once: its making takes longer than its calls."""
        if service not in self._clients:
            self._clients[service] = self._client(service)
        return self._clients[service]

    def _client(self, service: str) -> Any:
        variables = self.told["environment"]
        special = {
            "lambda": "LAMBDA",
            "events": "EVENTBRIDGE",
            "logs": "CLOUDWATCH_LOGS",
            "sqs": "SQS",
            "sns": "SNS",
        }
        suffix = f"_{special[service]}" if service in special else ""
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=variables["AWS_REGION"],
            endpoint_url=variables[f"AWS_ENDPOINT_URL{suffix}"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    def history(self, key: str) -> list[dict[str, Any]]:
        """The worker's history entries, oldest first."""
        found = self.client("dynamodb").query(
            TableName="cloudjhub-local-history",
            KeyConditionExpression="worker = :worker",
            ExpressionAttributeValues={":worker": {"S": key}},
        )
        return [{name: next(iter(value.values())) for name, value in item.items()} for item in found["Items"]]

    def set_policy(self, scope: str, **fields: float) -> None:
        """Set the policy of a level: "cluster", "group/<name>" or "user/<name>"; durations in seconds."""
        self.client("dynamodb").put_item(
            TableName="cloudjhub-local-settings",
            Item={"scope": {"S": scope}, "policy": {"S": json.dumps(fields)}},
        )

    def invoke(self, function: str, event: object) -> dict[str, Any]:
        """Run a deployed function and wait: its answer as Lambda gives it."""
        answer = self.client("lambda").invoke(
            FunctionName=f"cloudjhub-local-{function}", Payload=json.dumps(event).encode()
        )
        return dict(answer)

    def calls(self, action: str, instance: str = "") -> list[dict[str, Any]]:
        """The calls of this action that AWS has seen, of this instance if one is named."""
        return [
            call
            for call in control(self.told, "calls")["calls"]
            if call["action"] == action and (not instance or instance in call["instances"])
        ]

    def stopped_by(self, key: str) -> set[str]:
        """What made the functions stop this worker, by its history: alarm, sweep, person or reconcile."""
        return {json.loads(row["evidence"])["asked_by"] for row in self.history(key) if row["kind"] == "stop"}

    def await_state(self, key: str, state: str, patience: float = PATIENCE) -> dict[str, Any]:
        """The record, once it is in this state."""
        return dict(
            self.await_true(
                f"{key} is {state}",
                lambda: (row := self.worker(key)) and row["state"] == state and row,
                patience,
            )
        )

    def await_true(self, what: str, look: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """What `look` gives, once it is true; an error with the logs if it never is."""
        end = time.monotonic() + patience
        while not (found := look()):
            if time.monotonic() > end:
                raise AssertionError(
                    f"waited in vain until {what}\n{json.dumps(self.status(), indent=1)}\n{self.logs()}"
                )
            time.sleep(POLL_EVERY)
        return found
