"""Settings: every mistake is one sentence that names the variable and the mend."""

from datetime import timedelta
from pathlib import Path

import pytest

from hub.config.settings import from_environment
from hub.errors import SettingsError

GOOD = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "CLOUDJHUB_CLUSTER": "local",
    "CLOUDJHUB_HUB_NAME": "hub.example",
    "CLOUDJHUB_PUBLIC_URL": "http://127.0.0.1:8000",
    "CLOUDJHUB_PRIVATE_ADDRESS": "127.77.0.10",
    "CLOUDJHUB_STATE_DIR": "/",
    "CLOUDJHUB_WORKER_IMAGE": "ami-0123456789abcdef0",
    "CLOUDJHUB_WORKER_TYPES": "t3.medium, t3.large",
    "CLOUDJHUB_WORKER_SUBNETS": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "CLOUDJHUB_WORKER_GROUP": "sg-0123456789abcdef0",
    "CLOUDJHUB_WORKER_ROLE": "cloudjhub-local-worker",
    "CLOUDJHUB_OWNER": "somebody",
    "CLOUDJHUB_AUTHENTICATOR": "shared-password",
}


def test_reads_all_and_has_defaults() -> None:
    settings = from_environment(GOOD)
    assert settings.types == ("t3.medium", "t3.large")
    assert (settings.worker_disk, settings.home_disk, settings.allow_all) == (8, 0, False)
    assert settings.named_servers == 3
    assert settings.read_interval == timedelta(seconds=5)
    assert settings.report_period == timedelta(seconds=30)
    assert settings.hub_api == "http://127.77.0.10:8081/hub/api"
    assert settings.proxy_api == "http://127.77.0.10:8001"


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"CLOUDJHUB_WORKER_IMAGE"}))
def test_missing_variable_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        from_environment({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLUSTER", "Local"),
        ("CLUSTER", "a b"),
        ("CLUSTER", "1a"),
        ("CLUSTER", "a" * 33),
        ("HUB_NAME", "hub example"),
        ("PUBLIC_URL", "hub.example"),
        ("PUBLIC_URL", "https://hub.example/jupyter"),
        ("PRIVATE_ADDRESS", "hub.example"),
        ("PRIVATE_ADDRESS", "::1"),
        ("STATE_DIR", "/nowhere/at/all"),
        ("WORKER_IMAGE", "ubuntu"),
        ("WORKER_TYPES", "t3.medium,"),
        ("WORKER_TYPES", "big"),
        ("WORKER_SUBNETS", "10.0.0.0/24"),
        ("WORKER_GROUP", "workers"),
        ("WORKER_DISK", "0"),
        ("WORKER_DISK", "8GB"),
        ("WORKER_DISK", "٨"),
        ("HOME_DISK", "-1"),
        ("ALLOW_ALL", "true"),
        ("NAMED_SERVERS", "-1"),
        ("NAMED_SERVERS", "many"),
        ("READ_INTERVAL", "0"),
        ("READ_INTERVAL", "301"),
        ("USERS_FILE", "/nowhere/at/all"),
        ("EXTRA_CONFIG", "/nowhere/at/all"),
    ],
)
def test_bad_value_is_named_with_the_mend(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"CLOUDJHUB_{name}=.*: (set|create|there)|no directory"):
        from_environment({**GOOD, f"CLOUDJHUB_{name}": value})


@pytest.mark.parametrize("url", ["https://hub.example", "http://0.0.0.0:8000", "http://10.0.0.1"])
def test_shared_passwords_are_for_one_machine_only(url: str) -> None:
    with pytest.raises(SettingsError, match="real accounts"):
        from_environment({**GOOD, "CLOUDJHUB_PUBLIC_URL": url})
    other = {**GOOD, "CLOUDJHUB_PUBLIC_URL": url, "CLOUDJHUB_AUTHENTICATOR": "native"}
    assert from_environment(other).public_url == url


def test_users_file_has_to_exist(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.touch()
    assert from_environment({**GOOD, "CLOUDJHUB_USERS_FILE": str(users)}).users_file == users


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("github", "{", "no JSON .*: set it"),
        ("github", "[]", "no JSON object: set it"),
        ("github", "{}", "github needs the option client_id: set it to a text"),
        ("github", '{"client_id": 1}', "option client_id of github is not usable: set it to a text"),
        (
            "github",
            '{"client_id": "x", "client_secret": "y"}',
            "github has no option 'client_secret': remove it",
        ),
        ("native", '{"minimum_password_length": 4}', "set it to a whole number from 8 to 72"),
        ("dummy", '{"password": "x"}', "dummy takes no options here: set them in CLOUDJHUB_EXTRA_CONFIG"),
    ],
)
def test_wrong_option_is_named_with_the_mend(name: str, options: str, words: str) -> None:
    wrong = {"CLOUDJHUB_AUTHENTICATOR": name, "CLOUDJHUB_AUTHENTICATOR_OPTIONS": options}
    with pytest.raises(SettingsError, match=f"CLOUDJHUB_AUTHENTICATOR_OPTIONS.*{words}"):
        from_environment({**GOOD, **wrong})


def test_options_come_with_their_defaults() -> None:
    chosen = {"CLOUDJHUB_AUTHENTICATOR": "native", "CLOUDJHUB_AUTHENTICATOR_OPTIONS": '{"requests": true}'}
    assert from_environment({**GOOD, **chosen}).authenticator_options == {
        "minimum_password_length": 10,
        "allowed_failed_logins": 5,
        "seconds_before_next_try": 600,
        "requests": True,
    }


@pytest.mark.parametrize(
    ("public", "subdomain", "is_good"),
    [
        ("https://hub.example", "https://hub.example/", True),
        ("https://hub.example", "https://other.example", False),
        ("https://192.0.2.7", "https://192.0.2.7", False),
        ("http://localhost:8000", "http://localhost:8000", False),
    ],
)
def test_subdomains_are_of_the_public_domain(public: str, subdomain: str, is_good: bool) -> None:
    variables = {
        **GOOD,
        "CLOUDJHUB_AUTHENTICATOR": "native",
        "CLOUDJHUB_PUBLIC_URL": public,
        "CLOUDJHUB_SUBDOMAIN_HOST": subdomain,
    }
    if is_good:
        assert from_environment(variables).subdomain_host == public
    else:
        with pytest.raises(SettingsError, match=r"CLOUDJHUB_SUBDOMAIN_HOST=.*: set it"):
            from_environment(variables)
