"""What happens on the manager itself: bundle, disk, users, files, secrets and services; each step can be repeated."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bootstrap.config.choices import Https
from bootstrap.machines import bundle, fetch
from bootstrap.machines.manager import setup, system
from bootstrap.machines.manager.system import SetupError
from bootstrap.worker import disks
from tests.bootstrap.manager_examples import config


class Bucket:
    """An S3 client of one bucket."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked = 0

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 -- boto3's names
        self.asked += 1
        return {"Body": self}

    def read(self) -> bytes:
        return self.content


def test_the_bundle_is_fetched_once_and_replaced_whole(tmp_path: Path) -> None:
    packed = bundle.current()
    bucket, target = Bucket(packed.content), tmp_path / "bundle"
    target.mkdir()
    (target / "old").touch()
    fetch.fetch(bucket, "b", packed.key, target)
    assert (target / "bootstrap/machines/manager/setup.py").exists()
    assert (target / "hub/package-lock.json").exists()
    assert not (target / "old").exists()
    fetch.fetch(bucket, "b", packed.key, target)
    assert bucket.asked == 1


def test_a_bundle_that_is_not_what_its_key_names_is_refused(tmp_path: Path) -> None:
    packed = bundle.current()
    with pytest.raises(fetch.DamagedError, match="upload it again"):
        fetch.fetch(Bucket(packed.content), "b", bundle.key_of("0" * 64), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


class Recorded:
    """Runs nothing; remembers commands and answers some."""

    def __init__(self, **answers: str) -> None:
        self.commands: list[list[str]] = []
        self._answers = answers

    def __call__(self, command: Sequence[str]) -> str:
        self.commands.append(list(command))
        return self._answers.get(command[0], "")

    @property
    def programs(self) -> list[str]:
        return [command[0] for command in self.commands]


def device(root: Path, name: str, serial: str, below: str = "device") -> None:
    (root / name / below).mkdir(parents=True)
    (root / name / below / "serial").write_text(f"{serial}  \n")


def test_the_state_disk_is_found_by_its_volume_id_alone(tmp_path: Path) -> None:
    device(tmp_path, "nvme0n1", "vol0aaaaaaaaaaaaaaaa")
    assert system.find_disk("vol-0123456789abcdef0", tmp_path) is None
    with pytest.raises(SetupError, match="vol-0123456789abcdef0 is not attached"):
        system.await_disk("vol-0123456789abcdef0", tmp_path, within=0)
    device(tmp_path, "nvme7n1", "vol0123456789abcdef0")
    assert system.await_disk("vol-0123456789abcdef0", tmp_path, within=0) == Path("/dev/nvme7n1")


SIZE = 64 * 1024 * 1024


def state_disk(directory: Path, label: str = "cloudjhub-state") -> Path:
    image = directory / "disk.img"
    image.touch()
    os.truncate(image, SIZE)
    if label:
        subprocess.run(["mkfs.ext4", "-q", "-L", label, image], check=True, stdin=subprocess.DEVNULL)
    return image


def zero(image: Path, offset: int, length: int) -> None:
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(length))


def wreck(image: Path, what: str) -> None:
    match what:
        case "not unmounted":
            subprocess.run(["debugfs", "-w", "-R", "set_super_value state 0", image], check=True)
        case "first block zeroed":
            zero(image, 0, 4096)
        case "first and last megabyte zeroed":
            zero(image, 0, 1 << 20)
            zero(image, SIZE - (1 << 20), 1 << 20)
        case "group descriptors zeroed":
            zero(image, 2048, 64 * 1024)
        case "swap":
            zero(image, 0, 4096)
            subprocess.run(["mkswap", image], check=True)


@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs e2fsprogs")
@pytest.mark.parametrize("finds_nothing", [False, True])
@pytest.mark.parametrize(
    ("label", "damage", "parts", "outcome"),
    [
        ("", "", 1, "formatted"),
        ("", "", 2, "refused"),
        ("cloudjhub-state", "", 1, "left alone"),
        ("cloudjhub-state", "not unmounted", 1, "left alone"),
        ("cloudjhub-state", "first block zeroed", 1, "refused"),
        ("cloudjhub-state", "first and last megabyte zeroed", 1, "refused"),
        ("cloudjhub-state", "group descriptors zeroed", 1, "refused"),
        ("cloudjhub-state", "swap", 1, "refused"),
        ("of-another", "", 1, "refused"),
    ],
)
def test_only_a_blank_disk_is_formatted_and_a_damaged_one_is_repaired_or_refused(
    label: str,
    damage: str,
    parts: int,
    outcome: str,
    finds_nothing: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a blkid that finds nothing, too, as libblkid does where a checksum is wrong."""
    image = state_disk(tmp_path, label)
    wreck(image, damage)
    if finds_nothing:
        monkeypatch.setattr(disks, "content_of", lambda _: disks.Content())
    formatted = []
    make = disks.make_file_system

    def noted(disk: Path, label: str) -> None:
        formatted.append(disk)
        make(disk, label)

    monkeypatch.setattr(disks, "make_file_system", noted)

    def run(command: Sequence[str]) -> str:
        return "nvme1n1\n" + "nvme1n1p1\n" * (parts - 1) if command[0] == "lsblk" else ""

    if outcome == "refused":
        with pytest.raises(SetupError, match=r"not cloudJHub's state|nothing was formatted"):
            system.prepare_disk(image, run)
    else:
        system.prepare_disk(image, run)
        assert disks.ext4_label(image) == "cloudjhub-state"
        assert subprocess.run(["e2fsck", "-fn", image], capture_output=True, check=False).returncode == 0
    assert bool(formatted) == (outcome == "formatted")


def test_users_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Recorded()
    system.ensure_users(run)
    assert [command[-1] for command in run.commands] == [
        "cloudjhub-hub",
        "cloudjhub-proxy",
        "cloudjhub-nginx",
    ]
    assert all("/usr/sbin/nologin" in command for command in run.commands)
    monkeypatch.setattr("pwd.getpwnam", lambda _name: object())
    again = Recorded()
    system.ensure_users(again)
    assert again.commands == []


def test_files_are_written_whole_and_only_when_they_differ(tmp_path: Path) -> None:
    path = tmp_path / "below" / "file"
    assert system.write_file(path, "one", 0o600)
    assert not system.write_file(path, "one", 0o600)
    assert system.write_file(path, "one", 0o640)
    assert system.write_file(path, "two", 0o640)
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("https", "nat", "wanted"),
    [
        (Https.NONE, "", {"cloudjhub-hub.service", "cloudjhub-proxy.service", "cloudjhub-journal.service",
                          "cloudjhub-freshness.timer", "cloudjhub-backup.timer"}),
        (
            Https.OWN, "10.0.0.0/16",
            {"cloudjhub-hub.service", "cloudjhub-proxy.service", "cloudjhub-journal.service",
             "cloudjhub-nginx.service", "cloudjhub-nginx-update.path", "cloudjhub-freshness.timer",
             "cloudjhub-backup.timer", "cloudjhub-certificate.timer", "cloudjhub-nat.service"},
        ),
    ],
)  # fmt: skip
def test_services_are_enabled_and_not_waited_for(https: Https, nat: str, wanted: set[str]) -> None:
    """They wait for the set-up to end: waiting for them in it would never end."""
    run = Recorded()
    setup.start_services(config(https=https, nat_range=nat), run)
    enable, start = run.commands[-2:]
    assert set(enable[2:]) == wanted
    assert start[:3] == ["systemctl", "start", "--no-block"]
    assert set(start[3:]) == wanted
    assert (["systemctl", "disable", "--now", "nginx.service"] in run.commands) == (https is not Https.NONE)


def test_a_failing_step_is_one_line_and_ends_the_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manager.json").write_text(config().to_json())
    monkeypatch.setattr(setup, "CONFIG_PATH", tmp_path / "manager.json")
    done = []

    def fail() -> None:
        raise SetupError("npm ended with 1: no network")

    monkeypatch.setattr(
        setup,
        "steps",
        lambda *_: [("one", lambda: done.append(1)), ("two", fail), ("three", lambda: done.append(3))],
    )
    assert setup.main() == 1
    assert done == [1]
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == "cloudjhub-setup: two failed: npm ended with 1: no network"
    )


def test_a_configuration_that_cannot_be_used_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manager.json").write_text(json.dumps({"cluster": "x", "https": "none"}))
    monkeypatch.setattr(setup, "CONFIG_PATH", tmp_path / "manager.json")
    assert setup.main() == 1
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_program_that_fails_says_its_last_words() -> None:
    with pytest.raises(SetupError, match=r"ls .* ended with 2: .*No such file"):
        system.run(["ls", "/no-such-place"])
    with pytest.raises(SetupError, match="no-such-program cannot be run"):
        system.run(["no-such-program"])
