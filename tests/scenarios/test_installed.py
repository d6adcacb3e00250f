"""cloudJHub installed as an operator installs it: the wheel alone, in an environment of its own, without a checkout."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.scenarios.account import Account
from tests.shared.addresses import free_port
from tests.supply import package


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    package.install(package.build(tmp_path_factory.mktemp("dist"))[1], folder)
    return folder


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    state = tmp_path_factory.mktemp("account")
    running = Account(state, free_port(), "--boot-time", "0.5", "--stop-time", "0.5")
    try:
        running.up()
        yield running
    finally:
        running.down()


def test_an_operator_builds_and_removes_a_cluster_from_an_empty_directory(
    account: Account, environment: Path, tmp_path: Path
) -> None:
    """init, plan, up, up again, settings, down. The installation is the same afterwards."""
    installed = files_of(environment)

    def cloudjhub(*words: str) -> str:
        return package.run(
            environment, "cloudjhub", *words, directory=tmp_path, **account.told["environment"]
        )

    cloudjhub("init", "--yes", "--cluster", "wheel", "--owner", "ops@example.org", "--user", "ann")
    fit_to_loopback(tmp_path / "cluster.yaml", account)
    assert "lifecycle app" in cloudjhub("plan")
    assert "manager" in json.loads(cloudjhub("up", "--yes", "--json"))["changed"]
    assert json.loads(cloudjhub("up", "--yes", "--json"))["changed"] == []
    cloudjhub("settings", "set", "idle_timeout=90m")
    assert "90 min" in cloudjhub("settings", "get", "cluster")
    cloudjhub("status")
    cloudjhub("down", "--confirm", "wheel")
    assert account.client("lambda").list_functions()["Functions"] == []
    assert files_of(environment) == installed


def fit_to_loopback(file: Path, account: Account) -> None:
    """What differs from a cluster on AWS: the addresses of this machine, no HTTPS."""
    ours = yaml.safe_load((account.state_dir / "cluster.yaml").read_text())
    written = yaml.safe_load(file.read_text())
    for section in ("network", "manager", "workers", "timing"):
        written[section] = ours[section]
    written["network"]["name"] = "wheel"
    written["manager"] |= {"port": free_port(), "private_address": f"127.{account.network}.0.20"}
    written["login"] = {"authenticator": "shared-password", "users_file": "users"}
    file.write_text(yaml.safe_dump(written))


def files_of(environment: Path) -> set[str]:
    """Its files without byte code, which Python writes."""
    return {str(path) for path in environment.rglob("*") if "__pycache__" not in path.parts}
