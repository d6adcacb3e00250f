"""The local cloud's settings: its policy document, its memory of addresses, free addresses."""

import json
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from bootstrap.errors import SettingsError
from bootstrap.local.settings import STATE_VERSION, LocalSettings, is_free, save_addresses, saved_addresses


def settings(tmp_path: Path, **changes: object) -> LocalSettings:
    plain: dict[str, object] = {"state_dir": tmp_path, "port": 8000, "network": 78}
    return LocalSettings(**(plain | changes))  # type: ignore[arg-type]  # the table's values are of many types


@pytest.mark.parametrize(("idle", "grace"), [(30, 30), (60, 60), (600, 60)])
def test_the_start_grace_shrinks_with_a_short_idle_timeout(tmp_path: Path, idle: int, grace: int) -> None:
    document = settings(tmp_path, idle_timeout=timedelta(seconds=idle)).policy_document()
    assert document["idle_timeout"] == idle
    assert document["start_grace"] == grace


def test_other_settings_of_the_policy_are_json(tmp_path: Path) -> None:
    given = (("busy_allowance", "600"), ("signals", '["work"]'))
    document = settings(tmp_path, policy=given).policy_document()
    assert document["busy_allowance"] == 600
    assert document["signals"] == ["work"]
    with pytest.raises(SettingsError, match="give the value as JSON"):
        settings(tmp_path, policy=(("busy_allowance", "long"),)).policy_document()


def test_addresses_are_remembered_and_damage_is_named(tmp_path: Path) -> None:
    assert saved_addresses(tmp_path) == {}
    save_addresses(settings(tmp_path))
    assert saved_addresses(tmp_path) == {"port": 8000, "network": 78}
    (tmp_path / "addresses.json").write_text("{")
    with pytest.raises(SettingsError, match="delete it"):
        saved_addresses(tmp_path)


@pytest.mark.parametrize("version", [None, STATE_VERSION - 1, STATE_VERSION + 1])
def test_a_state_directory_of_another_version_is_refused_in_one_line(
    tmp_path: Path, version: int | None
) -> None:
    """It says what to do; earlier versions wrote no number."""
    made = {"port": 8000, "network": 78} | ({} if version is None else {"version": version})
    (tmp_path / "addresses.json").write_text(json.dumps(made))
    with pytest.raises(SettingsError, match=r"another version .*rm -r .*--state-dir") as refused:
        saved_addresses(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_taken_address_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        assert is_free("127.78.0.2", port)
