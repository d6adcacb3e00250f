"""Settings: every mistake is one line that names the key in the file and the fix."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.config.settings import CONFIG_VARIABLE, from_document, read
from hub.errors import SettingsError

GOOD: dict[str, Any] = {
    "cluster": "local",
    "region": "us-east-1",
    "owner": "an owner",
    "public_url": "http://127.0.0.1:8000",
    "private_address": "127.77.0.10",
    "log_group": "the manager's own settings do not matter",
    "workers": {
        "image": "ami-0123456789abcdef0",
        "types": ["t3.medium", "t3.large"],
        "subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        "group": "sg-0123456789abcdef0",
        "role": "cloudjhub-local-worker",
    },
    "login": {"authenticator": "shared-password"},
}
NEEDED = (
    "cluster", "region", "owner", "public_url", "private_address", "workers.types", "workers.subnets",
    "workers.group", "workers.role", "login.authenticator",
)  # fmt: skip


def changed(values: dict[str, Any]) -> dict[str, Any]:
    """`GOOD` with other values, by their keys with dots; None removes one."""
    document: dict[str, Any] = json.loads(json.dumps(GOOD))
    for path, value in values.items():
        *sections, name = path.split(".")
        section = document
        for one in sections:
            section = section.setdefault(one, {})
        section[name] = value
    return document


def test_reads_all_and_has_defaults() -> None:
    settings = from_document(GOOD)
    assert settings.types == ("t3.medium", "t3.large")
    assert (settings.worker_disk, settings.home_disk, settings.allow_all) == (8, 0, False)
    assert settings.named_servers == 3
    assert settings.read_interval == timedelta(seconds=5)
    assert settings.report_period == timedelta(seconds=30)
    assert settings.hub_api == "http://127.77.0.10:8081/hub/api"
    assert settings.proxy_api == "http://127.77.0.10:8001"
    assert (settings.hub_name, settings.state_dir) == ("cloudjhub-local", Path())


@pytest.mark.parametrize("path", NEEDED)
@pytest.mark.parametrize("nothing", [None, ""])
def test_missing_key_is_named(path: str, nothing: str | None) -> None:
    with pytest.raises(SettingsError, match=rf"^{path} is missing: set it to ."):
        from_document(changed({path: nothing}))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("cluster", "Local"),
        ("cluster", "a b"),
        ("cluster", "1a"),
        ("cluster", "a" * 33),
        ("cluster", 7),
        ("region", "Europe"),
        ("hub.name", "hub example"),
        ("hub.name", "hüb"),
        ("owner", "two\nlines"),
        ("public_url", "hub.example"),
        ("public_url", "https://hub.example/jupyter"),
        ("public_url", ["https://hub.example"]),
        ("private_address", "hub.example"),
        ("private_address", "::1"),
        ("private_address", 2130706433),
        ("subdomains", "yes"),
        ("hub.state_dir", "/nowhere/at/all"),
        ("workers.image", "ubuntu"),
        ("workers.profiles", {}),
        ("workers.profiles", ["Standard"]),
        ("workers.profiles", [{"name": "Standard", "types": []}]),
        ("workers.profiles", [{"name": "", "types": ["t3.medium"]}]),
        ("workers.profiles", [{"name": "two\nlines", "types": ["t3.medium"]}]),
        ("workers.profiles", [{"name": "Standard", "types": ["big"]}]),
        ("workers.profiles", [{"name": "Standard", "types": ["t3.medium"], "groups": [5]}]),
        ("workers.profiles", [{"name": "Standard", "types": ["t3.medium"], "disk": True}]),
        ("workers.profiles", [{"name": "Standard", "types": ["t3.medium"], "disk": 16385}]),
        ("workers.profiles", [{"name": "Same", "types": ["t3.medium"]}] * 2),
        ("workers.profiles", [{"name": f"p{n}", "types": ["t3.medium"]} for n in range(13)]),
        ("hub.brand", "x" * 41),
        ("hub.color", "#f37524"),
        ("hub.color", 5),
        ("hub.login_text", "two\nlines"),
        ("hub.logo", "/no/such/file"),
        ("workers.types", ["t3.medium", ""]),
        ("workers.types", ["big"]),
        ("workers.types", []),
        ("workers.types", "t3.medium"),
        ("workers.subnets", ["10.0.0.0/24"]),
        ("workers.group", "workers"),
        ("workers.disk", 0),
        ("workers.disk", "8"),
        ("workers.disk", 8.5),
        ("workers.disk", True),
        ("workers.home_disk", -1),
        ("login.authenticator", "a b"),
        ("login.options", []),
        ("login.allow_all", "true"),
        ("workers.named_servers", -1),
        ("workers.named_servers", "many"),
        ("timing.read_interval", 0),
        ("timing.read_interval", 301),
        ("timing.answer_limit", 9),
        ("timing.answer_limit", 501),
        ("hub.users_file", "/nowhere/at/all"),
        ("hub.users_file", 1.5),
        ("hub.extra_config", "/nowhere/at/all"),
    ],
)
def test_bad_value_is_named_with_the_fix(path: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf"^{path}: .* is not usable: set it to .") as raised:
        from_document(changed({path: value}))
    assert len(str(raised.value).splitlines()) == 1


def test_each_wrong_value_has_its_line() -> None:
    with pytest.raises(SettingsError) as raised:
        from_document(changed({"timing.answer_limit": 5, "owner": None, "workers.disk": "8 GB"}))
    assert str(raised.value).splitlines() == [
        "owner is missing: set it to who answers for the machines; it becomes their Owner tag",
        "workers.disk: '8 GB' is not usable: set it to the root disk in GB, from 1 to 16384",
        "timing.answer_limit: 5 is not usable: set it to seconds, from 10 to 500",
    ]


def test_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "manager.json"
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    with pytest.raises(SettingsError, match="CLOUDJHUB_CONFIG is not set: set it"):
        read()
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    with pytest.raises(SettingsError, match=r"manager\.json is not a readable JSON object: .*No such file"):
        read()
    for text in ("{", "[]"):
        file.write_text(text)
        with pytest.raises(SettingsError, match=r"manager\.json is not a readable JSON object"):
            read()
    file.write_text(json.dumps(changed({"cluster": "1", "region": None})))
    with pytest.raises(SettingsError) as raised:
        read()
    assert [line.startswith(f"{file}: ") for line in str(raised.value).splitlines()] == [True, True]
    file.write_text(json.dumps(GOOD))
    assert read() == from_document(GOOD)


@pytest.mark.parametrize("url", ["https://hub.example", "http://0.0.0.0:8000", "http://10.0.0.1"])
def test_shared_passwords_are_for_one_machine_only(url: str) -> None:
    with pytest.raises(SettingsError, match="real accounts"):
        from_document(changed({"public_url": url}))
    assert from_document(changed({"public_url": url, "login.authenticator": "native"})).public_url == url


def test_users_file_has_to_exist(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.touch()
    assert from_document(changed({"hub.users_file": str(users)})).users_file == users


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("github", {}, "github needs the option client_id: set it to a text"),
        ("github", {"client_id": 1}, "option client_id of github is not usable: set it to a text"),
        (
            "github",
            {"client_id": "x", "client_secret": "y"},
            "github has no option 'client_secret': remove it",
        ),
        ("native", {"minimum_password_length": 4}, "set it to a whole number from 8 to 72"),
        (
            "dummy",
            {"password": "x"},
            "dummy takes no options here: set them in the file that hub.extra_config",
        ),
    ],
)
def test_wrong_option_is_named_with_the_fix(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=f"login.options.*{words}"):
        from_document(changed({"login.authenticator": name, "login.options": options}))


def test_options_come_with_their_defaults() -> None:
    chosen = changed({"login.authenticator": "native", "login.options": {"requests": True}})
    assert from_document(chosen).authenticator_options == {
        "minimum_password_length": 10,
        "allowed_failed_logins": 5,
        "seconds_before_next_try": 600,
        "requests": True,
    }


@pytest.mark.parametrize(
    ("public", "is_good"),
    [
        ("https://hub.example", True),
        ("https://192.0.2.7", False),
        ("http://localhost:8000", False),
    ],
)
def test_subdomains_are_of_the_public_domain(public: str, is_good: bool) -> None:
    document = changed({"login.authenticator": "native", "public_url": public, "subdomains": True})
    if is_good:
        assert from_document(document).subdomains
    else:
        with pytest.raises(SettingsError, match=r"^subdomains: .*: set public_url"):
            from_document(document)
