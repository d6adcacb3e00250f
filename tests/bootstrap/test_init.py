"""`cloudjhub init`: from answers, from flags, and from cloudJHub's files."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bootstrap.cli.new_cluster.init import init
from bootstrap.cli.new_cluster.migration import Found, Migration, migrate
from bootstrap.config.choices import Egress, Https
from bootstrap.config.reading import read_settings
from bootstrap.errors import SettingsError
from hub.users.lists import from_file
from hub.users.names import People

# As cloudJHub's repository and launch script have them.
INSTANCE_CONFIG = {
    "MANAGER_INSTANCE_TYPE": "t2.medium", "WORKER_INSTANCE_TYPE": "t2.micro", "WORKER_EBS_SIZE": 8,
    "USER_HOME_EBS_SIZE": 0,
    "JUPYTER_NOTEBOOK_TIMEOUT": 3600, "CUSTOM_WORKER_AMI": "", "SERVER_USERNAME": "ubuntu", "REGION": "us-east-1",
    "WORKER_USERNAME": "ubuntu", "SERVER_OWNER": "", "IGNORE_PERMISSIONS": "false",
}  # fmt: skip
SERVER_CONFIG = {
    "REGION": "us-west-2", "AVAILABILITY_ZONE": "us-west-2a", "WORKER_SECURITY_GROUPS": ["sg-0a1b2c3d"],
    "WORKER_AMI": "ami-0a1b2c3d", "WORKER_SERVER_NAME": "JUPYTER_HUB_2a_CS_50_WORKER", "WORKER_SERVER_OWNER": "Ada",
    "SERVER_USERNAME": "ubuntu", "WORKER_USERNAME": "ubuntu", "KEY_NAME": "aws.pem", "JUPYTER_CLUSTER": "CS_50",
    "INSTANCE_TYPE": "m5.large", "WORKER_EBS_SIZE": "20", "SUBNET_ID": "subnet-fd9bb4b4",
    "JUPYTER_NOTEBOOK_TIMEOUT": 1800,
    "JUPYTER_MANAGER_IP": "54.0.0.1", "USER_HOME_EBS_SIZE": 10, "MANAGER_IP_ADDRESS": "10.0.0.5",
}  # fmt: skip
USERLIST = "__tokengeneratoradmin admin\nadminuser admin\nuser1\tadmin\n\nuser2\nuser/3\n"
SECURE = 'AWS_ACCESS_KEY_ID = "AKIAXXXX"\nAWS_SECRET_KEY = "hunter2"\nVPC_ID = "vpc-92929292" # ours\n'


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    monkeypatch.setenv("LOGNAME", "operator")
    monkeypatch.chdir(tmp_path)


def run(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(init, words, input=typed)


def done(*words: str, typed: str = "") -> str:
    result = run(*words, typed=typed)
    assert result.exit_code == 0, (result.exception, result.output)
    return result.output


def first_users() -> People:
    return from_file(Path("users")).people


def refused(*words: str) -> str:
    result = run(*words)
    assert isinstance(result.exception, SettingsError)
    return str(result.exception)


def test_defaults_make_a_cluster() -> None:
    output = done("--yes", "--admin", "ada")
    found = read_settings(Path("cluster.yaml"))
    assert (found.cluster, found.region, found.owner) == ("jupyter", "eu-north-1", "operator")
    assert found.policy == {"idle_timeout": 3600}
    assert first_users() == People(frozenset({"ada"}), frozenset({"ada"}))
    assert "next: cloudjhub plan" in output


def test_without_a_domain_the_users_trust_each_other() -> None:
    """The file says so, and so does the command."""
    output = done("--yes")
    assert read_settings(Path("cluster.yaml")).login.trusted_users
    assert "note: Users can take over each other's accounts" in output


def test_with_a_domain_each_user_has_an_origin() -> None:
    output = done("--yes", "--domain", "hub.example.org")
    found = read_settings(Path("cluster.yaml"))
    assert (found.manager.has_subdomains, found.login.trusted_users) == (True, False)
    assert "take over" not in output


def test_users_who_do_not_trust_each_other_need_a_domain() -> None:
    """Answered "no", the question says what to do and is asked again."""
    answers = ["\n"] * 9 + ["false\n"] + ["\n"] * 9
    output = done(typed="".join(answers))
    assert "Error: Users can take over each other's accounts" in output
    assert "set manager.domain to a name in the DNS" in output


def test_flags_tell_all() -> None:
    done(
        "--yes", "--cluster", "physics", "--region", "us-east-1", "--owner", "NO", "--users", "200", "--hours", "20.5",
        "--network", "science", "--egress", "manager", "--type", "t4g.small", "--type", "t4g.large", "--disk", "30",
        "--home-disk", "0", "--base", "al2023", "--manager-type", "t4g.small", "--domain", "hub.example.org",
        "--email", "a@b.org",
        "--authenticator", "github", "--option", "client_id=012",
        "--option", "allowed_organizations=a;b", "--idle-timeout", "30m", "--admin", "Ada", "--user", "bob",
    )  # fmt: skip
    found = read_settings(Path("cluster.yaml"))
    assert (found.cluster, found.owner, found.users, found.hours) == ("physics", "NO", 200, 20.5)
    assert (found.network.name, found.network.egress) == ("science", Egress.MANAGER)
    assert (found.workers.types, found.workers.disk, found.workers.home_disk) == (
        ("t4g.small", "t4g.large"),
        30,
        0,
    )
    assert (found.manager.domain, found.manager.https) == ("hub.example.org", Https.LETS_ENCRYPT)
    assert found.login.options == {"client_id": "012", "allowed_organizations": ["a", "b"]}
    assert found.policy == {"idle_timeout": 1800}
    assert first_users() == People(frozenset({"ada", "bob"}), frozenset({"ada"}))


def test_an_existing_network_is_named_by_flags() -> None:
    done(
        "--yes",
        "--vpc",
        "vpc-12345678",
        "--manager-subnet",
        "subnet-12345678",
        "--worker-subnet",
        "subnet-23456789",
    )
    assert read_settings(Path("cluster.yaml")).network.worker_subnets == ("subnet-23456789",)


def test_questions_have_defaults() -> None:
    output = done(typed="\n" * 20)
    assert read_settings(Path("cluster.yaml")).workers.types == ("t4g.medium", "t4g.large")
    assert "nat-gateway: $" in output
    assert "a month of all users: t4g.medium $20, t3.medium $25" in output


def test_wrong_answers_are_asked_again() -> None:
    answers = [
        "Physics!", "physics", "mars", "us-east-1", "Ada", "many", "30", "1.5", "nat", "manager", "t3.medium,t4g.small",
        "t3.medium t4g.small", "t3.small", "x", "3", "https://hub", "hub.example.org", "none", "self-signed", "magic",
        "google",
        "soon", "45m", "abc", "a/b", "ada",
    ]  # fmt: skip
    output = done(typed="\n".join(answers) + "\n")
    found = read_settings(Path("cluster.yaml"))
    assert (found.cluster, found.region, found.users, found.hours) == ("physics", "us-east-1", 30, 1.5)
    assert (found.workers.types, found.workers.home_disk) == (("t3.small",), 3)
    assert (found.manager.https, found.login.options) == (Https.SELF_SIGNED, {"client_id": "abc"})
    assert output.count("Error: ") == 12
    assert "line 1" not in output


def test_files_are_not_overwritten() -> None:
    done("--yes")
    assert "--force" in refused("--yes")
    done("--yes", "--force", "--cluster", "other")
    assert read_settings(Path("cluster.yaml")).cluster == "other"


def test_an_old_users_file_is_kept_too() -> None:
    Path("users").write_text("eve admin\n")
    assert "users already exists" in refused("--yes")
    assert not Path("cluster.yaml").exists()
    assert first_users().admins == {"eve"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cluster", "A"), "--cluster: 'A' is not usable"),
        (("--type", "t3.small", "--type", "large"), "--type: 'large' is not usable"),
        (("--authenticator", "github", "--option", "colour=red"), "--option: github"),
        (("--image", "ami-x"), "--image: 'ami-x'"),
        (("--https", "lets-encrypt"), "manager.domain"),
        (("--authenticator", "github"), "client_id"),
        (("--type", "t3.small", "--type", "t4g.small"), "architecture"),
        (("--vpc", "vpc-12345678"), "manager_subnet"),
        (("--admin", "a/b"), "a/b"),
        (("--file", "no/such/cluster.yaml"), "create it first"),
    ],
)
def test_wrong_flags_write_nothing(words: tuple[str, ...], said: str) -> None:
    told = refused("--yes", *words)
    assert said in told
    assert "line 1" not in told, "there is no file yet"
    assert list(Path().iterdir()) == []


def test_a_file_that_cannot_be_written_is_told() -> None:
    Path("users").mkdir()
    assert "users cannot be written" in refused("--yes", "--force")
    assert not Path("cluster.yaml").exists()


def moved(**changes: Any) -> Migration:
    texts: dict[str, Any] = {
        "instance_config": json.dumps(INSTANCE_CONFIG), "server_config": json.dumps(SERVER_CONFIG),
        "userlist": USERLIST,
    }  # fmt: skip
    return migrate(Found(**{**texts, **changes}))


def test_the_launched_cluster_comes_before_the_launch_settings() -> None:
    found = moved()
    assert found.answers == {
        "cluster": "cs-50",
        "region": "us-west-2",
        "owner": "Ada",
        "workers": {"types": ["m5.large"], "disk": 20, "home_disk": 10},
        "manager": {"type": "t3.medium"},
        "policy": {"idle_timeout": 1800},
        "login": {"authenticator": "native"},
    }
    assert found.people == People(
        frozenset({"adminuser", "user1", "user2"}), frozenset({"adminuser", "user1"})
    )


def test_every_key_is_taken_or_noted() -> None:
    found = moved(
        server_config=json.dumps({**SERVER_CONFIG, "NEW_KEY": 1, "CUSTOM_WORKER_AMI": "ami-12345678"})
    )
    notes = "\n".join(found.notes)
    for key in ("SERVER_USERNAME", "WORKER_SECURITY_GROUPS", "KEY_NAME", "NEW_KEY", "JUPYTER_CLUSTER",
                "CUSTOM_WORKER_AMI",
                "WORKER_AMI", "__tokengeneratoradmin", "user/3", "noauthenticator", "SUBNET_ID"):  # fmt: skip
        assert key in notes
    assert found.answers["workers"]["base"] == "ami-12345678"
    assert "t2.micro" not in notes


def test_small_disks_and_old_types_are_lifted() -> None:
    found = moved(server_config=None)
    assert found.answers["workers"] == {"types": ["t3.micro"], "disk": 10, "home_disk": 0}
    assert sum("t3.micro" in note for note in found.notes) == 2


def test_the_old_network_is_used_if_all_of_it_is_known() -> None:
    found = migrate(
        Found(server_config=json.dumps(SERVER_CONFIG), secure=SECURE), manager_subnet="subnet-54502979"
    )
    assert found.answers["network"] == {
        "vpc": "vpc-92929292", "manager_subnet": "subnet-54502979", "worker_subnets": ["subnet-fd9bb4b4"],
    }  # fmt: skip
    assert "network" not in moved(secure=SECURE).answers
    given = migrate(
        Found(userlist=USERLIST),
        vpc="vpc-92929292",
        manager_subnet="subnet-54502979",
        worker_subnets=("subnet-12345678", "subnet-23456789"),
    )
    assert given.answers["network"]["worker_subnets"] == ["subnet-12345678", "subnet-23456789"]
    assert not [note for note in given.notes if "network of its own" in note]
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"server_config": "{"}, "server_config.json is not JSON"),
        ({"server_config": "[" * 100_000}, "server_config.json is not JSON"),
        ({"instance_config": "[]"}, "not a JSON object"),
        ({"server_config": '{"WORKER_EBS_SIZE": "big"}'}, "whole number"),
        ({"server_config": '{"JUPYTER_NOTEBOOK_TIMEOUT": [1]}'}, "whole number"),
    ],
)
def test_damaged_files_are_named(changes: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        moved(**changes)


def test_init_takes_over_cloudjhubs_checkout(tmp_path: Path) -> None:
    old = tmp_path / "old"
    for folder, name, text in (
        ("launch_cluster", "instance_config.json", json.dumps(INSTANCE_CONFIG)),
        ("launch_cluster", "secure.py", SECURE),
        ("jupyterhub_files", "userlist", USERLIST),
        ("", "server_config.json", json.dumps(SERVER_CONFIG)),
    ):
        (old / folder).mkdir(parents=True, exist_ok=True)
        (old / folder / name).write_text(text)
    output = done(
        "--yes", "--from-cloudjhub", str(old), "--manager-subnet", "subnet-54502979", "--cluster", "cs50"
    )
    found = read_settings(Path("cluster.yaml"))
    assert (found.cluster, found.region, found.network.vpc) == ("cs50", "us-west-2", "vpc-92929292")
    assert first_users().admins == {"adminuser", "user1"}
    assert "note: KEY_NAME" in output
    assert "hunter2" not in output + Path("cluster.yaml").read_text()


def test_a_directory_without_cloudjhub_is_told(tmp_path: Path) -> None:
    assert "has none of server_config.json" in refused("--yes", "--from-cloudjhub", str(tmp_path))
