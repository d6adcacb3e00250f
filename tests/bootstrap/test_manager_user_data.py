"""The manager's user data, environment and command lines: whole, small, without secrets and without a shell."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

from bootstrap.config.choices import Https
from bootstrap.machines.manager.commands import hub_command, proxy_command
from bootstrap.machines.manager.config import ManagerConfig
from bootstrap.machines.manager.environment import environment_file, hub_variables
from bootstrap.machines.manager_request import LIMIT, user_data
from hub.config.settings import from_environment
from tests.bootstrap.manager_examples import CONFIG, config


def test_the_configuration_survives_json() -> None:
    told = config(authenticator_options={"allowed": ["a", "b"]}, https=Https.OWN)
    assert ManagerConfig.from_json(told.to_json()) == told


@pytest.mark.parametrize("text", ["[]", "{}x", '{"cluster": "c", "password": "p"}'])
def test_a_file_that_is_no_managers_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- JSON's own words, or ours
        ManagerConfig.from_json(text)


def test_user_data_is_cloud_config_that_runs_no_shell() -> None:
    text = user_data(config(nat_range="10.77.0.0/16"))
    assert text.startswith("#cloud-config\n")
    assert len(text.encode()) < LIMIT
    found = yaml.safe_load(text)
    assert found["packages"] == ["python3-venv", "caddy", "nftables"]
    assert all(isinstance(command, list) for command in found["runcmd"])
    files = {file["path"]: file["content"] for file in found["write_files"]}
    assert ManagerConfig.from_json(files["/etc/cloudjhub/manager.json"]).nat_range == "10.77.0.0/16"
    for program in ("fetch.py", "install_packages.py"):
        compile(files[f"/etc/cloudjhub/{program}"], program, "exec")
    assert "bootstrap.machines.manager.setup" in files["/etc/systemd/system/cloudjhub-setup.service"]


def test_too_much_user_data_is_refused_here() -> None:
    with pytest.raises(ValueError, match="EC2 takes"):
        user_data(config(authenticator_options={"key": "x" * LIMIT}))


def test_the_hub_reads_what_is_written_for_it(tmp_path: Path) -> None:
    told = config(worker_image="ami-0123456789abcdef0", allow_all=True)
    hub = from_environment(hub_variables(told, tmp_path))
    assert (hub.cluster, hub.public_url, hub.private_address) == (
        "spring",
        "https://hub.example",
        "10.77.0.10",
    )
    assert (hub.types, hub.subnets, hub.group) == (told.worker_types, told.worker_subnets, told.worker_group)
    assert (hub.worker_disk, hub.home_disk, hub.named_servers) == (16, 5, 3)
    assert hub.owner == "Dr. Who, physics"
    assert hub.allow_all
    assert hub.state_dir == tmp_path


@pytest.mark.parametrize(
    "value", ["plain", "two words", 'a "b" \\ c', "$HOME `x` %h #", json.dumps({"a": ["b"]}), ""]
)
def test_environment_files_keep_values_as_they_are(value: str) -> None:
    [line] = environment_file({"NAME": value}).splitlines()
    assert shlex.split(line) == [f"NAME={value}"]


def test_an_environment_file_takes_no_second_line() -> None:
    with pytest.raises(ValueError, match="A: a value spans lines"):
        environment_file({"A": "x\nB=y"})


def test_the_proxy_stands_behind_caddy_or_at_the_public_url() -> None:
    behind = proxy_command(Path("/node"), Path("/chp"), CONFIG)
    assert behind == [
        "/node", "/chp", "--ip", "127.0.0.1", "--port", "8000", "--api-ip", "10.77.0.10", "--api-port", "8001",
        "--error-target", "http://10.77.0.10:8081/hub/error", "--no-x-forward",
    ]  # fmt: skip
    alone = config(https=Https.NONE, public_url="http://127.0.0.1:9999")
    assert proxy_command(Path("/node"), Path("/chp"), alone)[3:6] == ["127.0.0.1", "--port", "9999"]
    assert "--no-x-forward" not in proxy_command(Path("/node"), Path("/chp"), alone)
    assert "--host-routing" in proxy_command(Path("/node"), Path("/chp"), config(subdomains=True))


def test_the_hub_runs_with_its_own_sources() -> None:
    assert hub_command(Path("/p"), Path("/s")) == [
        "/p",
        "-P",
        "-m",
        "jupyterhub",
        "-f",
        "/s/hub/jupyterhub_config.py",
    ]
