"""An AWS account without a cluster, and the operator's command line in it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests
import yaml

from bootstrap.config import writing
from bootstrap.config.reading import read_settings
from bootstrap.config.settings import ClusterSettings
from tests.scenarios.cloud import REPOSITORY, LocalCloud, control
from tests.scenarios.person import Person

CHANGING = (
    "Create",
    "Put",
    "Delete",
    "Run",
    "Terminate",
    "Register",
    "Deregister",
    "Attach",
    "Modify",
    "Update",
    "Add",
)


class Account(LocalCloud):
    """A local cloud in which nothing is built yet."""

    def __init__(self, state_dir: Path, port: int, *options: str) -> None:
        super().__init__(state_dir, port, "--empty", *options)

    @property
    def network(self) -> int:
        """The second octet of its addresses."""
        return int(json.loads((self.state_dir / "addresses.json").read_text())["network"])

    def cluster(self, name: str, **manager: Any) -> "Cluster":
        """A cluster that could be built here; of the manager's settings those that differ."""
        settings = read_settings(self.state_dir / "cluster.yaml")
        directory = self.state_dir / "clusters" / name
        directory.mkdir(parents=True)
        (directory / "users").write_text("ann\nben\ncleo admin\n")
        cluster = Cluster(self, directory / "cluster.yaml")
        cluster.write(replace(settings, cluster=name, manager=replace(settings.manager, **manager)))
        return cluster

    def changing_calls(self) -> list[str]:
        """What was asked of AWS that changes something, in order; the instances' own calls are among them."""
        answer = control(self.told, "calls")
        return [call["action"] for call in answer["calls"] if call["action"].startswith(CHANGING)]


class Cluster:
    """A cluster by its settings file."""

    def __init__(self, account: Account, file: Path) -> None:
        self.account = account
        self.file = file

    @property
    def settings(self) -> ClusterSettings:
        return read_settings(self.file)

    @property
    def name(self) -> str:
        return self.settings.cluster

    @property
    def url(self) -> str:
        """As in a browser: users' servers have origins below it."""
        manager = self.settings.manager
        return f"http://{manager.domain or '127.0.0.1'}:{manager.port}"

    def write(self, settings: ClusterSettings) -> None:
        self.file.write_text(writing.text(settings, self.file.parent))

    def edit(self, **sections: dict[str, Any]) -> None:
        """Change keys of sections of the file, as its owner would."""
        document = yaml.safe_load(self.file.read_text())
        for section, keys in sections.items():
            document[section] = {**(document.get(section) or {}), **keys}
        self.file.write_text(yaml.safe_dump(document))

    def run(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """`cloudjhub ... --file ...`, in a process group of its own."""
        return subprocess.run(
            self._command(words),
            cwd=REPOSITORY,
            env={**self._environment(), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def interrupted(self, said: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """The same, with Ctrl-C as soon as it has said this on standard error."""
        command, lines = self._command(words), []
        with subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as running:
            assert running.stderr is not None
            for line in running.stderr:
                lines.append(line)
                if said and said in line:
                    os.killpg(running.pid, signal.SIGINT)
                    said = ""
        return subprocess.CompletedProcess(command, running.returncode, "", "".join(lines))

    def _command(self, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "bootstrap", *words, "--file", str(self.file)]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**kept, **self.account.told["environment"]}

    def ok(self, *words: str) -> str:
        """What it prints; an error with what it said if it fails."""
        done = self.run(*words)
        if done.returncode:
            raise AssertionError(
                f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.account.logs()}"
            )
        return done.stdout

    def up(self) -> dict[str, Any]:
        return dict(json.loads(self.ok("up", "--yes", "--json")))

    def person(self, name: str, *, admin: bool = False) -> Person:
        parameter = f"/cloudjhub/{self.name}/hub/{'admin' if admin else 'user'}-password"
        found = self.account.client("ssm").get_parameter(Name=parameter, WithDecryption=True)
        return Person(self.url, name, found["Parameter"]["Value"])

    def hub_answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/hub/api/", timeout=5).ok
        except requests.RequestException:
            return False
