"""The files of an earlier day are shown beside the home, and neither they nor the user's own files change."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.worker import earlier
from bootstrap.worker.disks import Content, Disk, DiskError
from bootstrap.worker.earlier import Places
from bootstrap.worker.home import LABEL

VOLUME = "vol-0123456789abcdef0"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "home").mkdir()
    return Places(mount=tmp_path / "media", name=tmp_path / "home/earlier-files")


def launch(directory: Path, home: str = "existing-beside-backup") -> Path:
    """The launch file."""
    fields = {"cluster": "c", "hub_api": "http://h", "hub_name": "h", "region": "r", "home": home}
    config = directory / "worker.json"
    config.write_text(json.dumps({**fields, "home_volume": VOLUME}))
    return config


def test_a_name_in_the_home_leads_to_the_files(places: Places) -> None:
    assert earlier.lead_there(places)
    assert earlier.lead_there(places), "at the next boot too"
    assert os.readlink(places.name) == str(places.mount)


@pytest.mark.parametrize("what", ["a file", "a directory", "another link", "a dangling link"])
def test_what_has_the_name_already_stays(places: Places, tmp_path: Path, what: str) -> None:
    """The home is its user's: a link that they have made could lead anywhere."""
    match what:
        case "a file":
            places.name.write_text("mine")
        case "a directory":
            places.name.mkdir()
        case "another link":
            places.name.symlink_to("/etc")
        case _:
            places.name.symlink_to(tmp_path / "nowhere")
    before = places.name.lstat()
    assert not earlier.lead_there(places)
    earlier.clear(places)
    assert places.name.lstat() == before


def test_a_machine_without_earlier_files_removes_the_name_of_the_last_one(
    places: Places, tmp_path: Path
) -> None:
    earlier.lead_there(places)
    assert earlier.run(launch(tmp_path, "existing"), places) == 0
    assert not places.name.is_symlink()


def test_a_copy_that_is_not_there_or_twice_is_said_and_nothing_is_mounted(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(earlier, "ebs_disks", lambda: [Disk(Path("/dev/root"), "vol1", is_mounted=True)])
    monkeypatch.setattr(earlier, "LONGEST_WAIT", 0.0)
    assert earlier.run(launch(tmp_path), places) == 1
    assert "no disk with a backup" in capsys.readouterr().out
    twice = [Disk(Path("/dev/a"), "vol2"), Disk(Path("/dev/b"), "vol3")]
    with pytest.raises(DiskError, match="several disks"):
        earlier.copy_of(twice, VOLUME, lambda _: Content("ext4", LABEL))
    assert not places.name.is_symlink()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A home as a snapshot has it: as after a power failure, its journal not replayed."""
    image = tmp_path / "copy.img"
    subprocess.run(["truncate", "-s", "64M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-L", LABEL, image], check=True)
    thesis = tmp_path / "thesis"
    thesis.write_text("312 pages")
    commands = f"write {thesis} thesis.txt\nfeature needs_recovery\n"
    subprocess.run(
        ["debugfs", "-w", "-f", "-", image], input=commands, text=True, capture_output=True, check=True
    )
    return image


@pytest.fixture
def mounted(copy: Path, tmp_path: Path) -> Iterator[Path]:
    """Where the copy is mounted."""
    at = tmp_path / "media"
    try:
        earlier.mount(copy, at)
    except DiskError as error:
        pytest.skip(f"this process may not mount: {error}")
    yield at
    subprocess.run(["umount", at], check=True)


@pytest.mark.skipif(shutil.which("mkfs.ext4") is None or os.geteuid() != 0, reason="needs root and e2fsprogs")
def test_the_files_can_be_read_and_not_changed_not_even_by_a_replay_of_the_journal(
    copy: Path, mounted: Path
) -> None:
    before = hashlib.sha256(copy.read_bytes()).hexdigest()
    assert (mounted / "thesis.txt").read_text() == "312 pages"
    with pytest.raises(OSError, match="Read-only"):
        (mounted / "thesis.txt").write_text("gone")
    with pytest.raises(OSError, match="Read-only"):
        (mounted / "thesis.txt").unlink()
    said = next(line for line in Path("/proc/self/mounts").read_text().splitlines() if str(mounted) in line)
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(said.split()[3].split(","))
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == before
