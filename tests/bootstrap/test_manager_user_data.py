"""The manager's user data, environment and command lines: whole, small, without secrets and without a shell."""

import json
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from bootstrap.aws.scope import Challenge
from bootstrap.aws.site import BuiltNetwork
from bootstrap.config.choices import Https
from bootstrap.config.settings import ClusterSettings, Login, Manager, Network, Timing, Workers
from bootstrap.machines.launch import USER_DATA_LIMIT
from bootstrap.machines.manager.config import ManagerConfig
from bootstrap.machines.manager.services import hub_command, proxy_command
from bootstrap.machines.manager.system import environment_file
from bootstrap.machines.manager_request import manager_config, user_data
from hub.config.settings import Settings, from_document
from tests.bootstrap.manager_examples import CONFIG, config


def test_the_configuration_survives_json() -> None:
    told = config(login={"authenticator": "github", "options": {"allowed": ["a", "b"]}}, https=Https.OWN)
    assert ManagerConfig.from_json(told.to_json()) == told


@pytest.mark.parametrize("text", ["[]", "{}x", '{"cluster": "c", "password": "p"}'])
def test_a_file_that_is_no_managers_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- JSON's own words, or ours
        ManagerConfig.from_json(text)


def test_user_data_is_cloud_config_that_runs_no_shell() -> None:
    text = user_data(config(nat_range="10.77.0.0/16"))
    assert text.startswith("#cloud-config\n")
    assert len(text.encode()) < USER_DATA_LIMIT
    found = yaml.safe_load(text)
    assert found["packages"] == ["python3-venv", "unattended-upgrades", "nginx", "nftables"]
    assert all(isinstance(command, list) for command in found["runcmd"])
    files = {file["path"]: file["content"] for file in found["write_files"]}
    assert ManagerConfig.from_json(files["/etc/cloudjhub/manager.json"]).nat_range == "10.77.0.0/16"
    for program in ("fetch.py", "install_packages.py"):
        compile(files[f"/etc/cloudjhub/{program}"], program, "exec")
    assert "bootstrap.machines.manager.setup" in files["/etc/systemd/system/cloudjhub-setup.service"]


def test_too_much_user_data_is_refused_here() -> None:
    with pytest.raises(ValueError, match="EC2 accepts"):
        user_data(config(login={"options": {"key": "x" * USER_DATA_LIMIT}}))


def test_every_setting_of_the_hub_arrives_there() -> None:
    """From the cluster's settings through the manager's file, with other values than the defaults."""
    cluster = ClusterSettings(
        cluster="spring",
        region="eu-central-1",
        owner="Dr. Who: physics",
        tags={"CostCenter": "48-1123"},
        network=Network(name="n"),
        workers=Workers(
            types=("m7i.large",), disk=20, home_disk=7, image="ami-0123456789abcdef0", named_servers=1
        ),
        manager=Manager(domain="hub.example", subdomains=True),
        login=Login(authenticator="native", options={"minimum_password_length": 12}, allow_all=True),
        timing=Timing(
            report_period=timedelta(seconds=90),
            read_interval=timedelta(seconds=7),
            answer_limit=timedelta(seconds=300),
        ),
    )
    place = {"ManagerAddress": "10.77.0.10", "WorkerGroup": "sg-0123456789abcdef0"}
    subnets = ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1")
    network = BuiltNetwork("vpc-1", "subnet-manager", subnets)
    config = manager_config(
        cluster,
        place=place,
        network=network,
        bucket="cloudjhub-spring",
        bundle="bundle/1",
        state_volume="vol-1",
        secret_versions={},
        challenge=Challenge("Z1", "_acme-challenge.hub.example"),
    )
    assert config.acme_dns == {"zone_id": "Z1", "record": "_acme-challenge.hub.example"}
    assert from_document(json.loads(config.to_json())) == Settings(
        cluster="spring",
        hub_name="cloudjhub-spring",
        region="eu-central-1",
        owner="Dr. Who: physics",
        tags={"CostCenter": "48-1123"},
        public_url="https://hub.example",
        private_address="10.77.0.10",
        subdomains=True,
        types=("m7i.large",),
        subnets=subnets,
        group="sg-0123456789abcdef0",
        role="cloudjhub-spring-worker",
        image="ami-0123456789abcdef0",
        worker_disk=20,
        home_disk=7,
        named_servers=1,
        authenticator="native",
        authenticator_options={
            "minimum_password_length": 12,
            "allowed_failed_logins": 5,
            "seconds_before_next_try": 600,
            "requests": False,
        },
        allow_all=True,
        report_period=timedelta(seconds=90),
        read_interval=timedelta(seconds=7),
        answer_limit=timedelta(seconds=300),
        bucket="cloudjhub-spring",
        bundle="bundle/1",
    )


@pytest.mark.parametrize(
    "value", ["plain", "two words", 'a "b" \\ c', "$HOME `x` %h #", json.dumps({"a": ["b"]}), ""]
)
def test_environment_files_keep_values_as_they_are(value: str) -> None:
    [line] = environment_file({"NAME": value}).splitlines()
    assert shlex.split(line) == [f"NAME={value}"]


def test_an_environment_file_takes_no_second_line() -> None:
    with pytest.raises(ValueError, match="A: a value spans lines"):
        environment_file({"A": "x\nB=y"})


def test_the_proxy_stands_behind_nginx_or_at_the_public_url() -> None:
    behind = proxy_command(Path("/node"), Path("/chp"), CONFIG)
    assert behind == [
        "/node", "/chp", "--ip", "127.0.0.1", "--port", "8000", "--api-ip", "10.77.0.10", "--api-port", "8001",
        "--error-target", "http://127.0.0.1:8002/hub/error", "--no-x-forward",
    ]  # fmt: skip
    alone = config(https=Https.NONE, public_url="http://127.0.0.1:9999")
    assert proxy_command(Path("/node"), Path("/chp"), alone)[3:6] == ["127.0.0.1", "--port", "9999"]
    assert "--no-x-forward" not in proxy_command(Path("/node"), Path("/chp"), alone)
    assert "http://10.77.0.10:8081/hub/error" in proxy_command(Path("/node"), Path("/chp"), alone)
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
