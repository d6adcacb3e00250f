"""A home disk is formatted only if this machine's launch made it and it is blank; without a sound one nothing starts.

The product's own program runs on image files, with the real e2fsck and mkfs.ext4. Only lsblk, which says which disks
are EBS's, is replaced; and blkid, by one that finds nothing, as libblkid 2.39 and later does where a checksum is wrong.
"""

import hashlib
import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootstrap.worker import disks, earlier, home
from lifecycle_app.contract import HomeDisk

pytestmark = pytest.mark.skipif(
    any(shutil.which(one) is None for one in ("mkfs.ext4", "e2fsck", "debugfs", "blkid")),
    reason="needs e2fsprogs and blkid",
)

SIZE = 200 * 1024 * 1024
BLOCK = 4096
KEPT = b"the thesis, 312 pages"
GB = 1 << 30
SERIAL = "vol0123456789abcdef0"
NOTHING = "blkid that finds nothing"
Damage = Callable[[Path], object]


def write(image: Path, offset: int, content: bytes) -> None:
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def zero(image: Path, offset: int, length: int) -> None:
    write(image, offset, bytes(length))


def debugfs(image: Path, *requests: str) -> str:
    done = subprocess.run(
        ["debugfs", "-w", "-f", "-", str(image)],
        input="".join(f"{one}\n" for one in requests), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def first_block(image: Path, file: str) -> int:
    """Where the content of a file begins, in bytes."""
    [first, *_] = debugfs(image, f"blocks {file}").split("\n")[1].split()
    return int(first) * BLOCK


def overwrite(offset: int, content: bytes) -> Damage:
    return lambda image: write(image, offset, content)


def erase(*ranges: tuple[int, int], then: Damage = lambda _: None) -> Damage:
    """Zero these ranges, each an offset and a length; then do the other damage."""

    def damage(image: Path) -> None:
        for offset, length in ranges:
            zero(image, offset, length)
        then(image)

    return damage


def set_super(*values: str) -> Damage:
    """Set values of the superblock, with the right checksum."""

    def damage(image: Path) -> None:
        debugfs(image, *(f"set_super_value {one}" for one in values))

    return damage


def wrong_bitmap(image: Path) -> None:
    [line] = [one for one in debugfs(image, "show_super_stats").splitlines() if "block bitmap at" in one][:1]
    write(image, int(line.split("block bitmap at")[1].split(",")[0]) * BLOCK + 100, b"\xff" * 8)
    set_super("state 0")(image)


def wrong_count_of_links(image: Path) -> None:
    debugfs(image, "set_inode_field thesis.txt links_count 5", "set_super_value state 0")


def journal_to_be_replayed(image: Path) -> None:
    debugfs(image, "feature needs_recovery")


def random_journal(image: Path) -> None:
    write(image, first_block(image, "<8>"), os.urandom(BLOCK))


def changed_file(image: Path) -> None:
    write(image, first_block(image, "thesis.txt") + 100, b"x")


def swap(image: Path) -> None:
    zero(image, *FIRST)
    subprocess.run(["mkswap", str(image)], capture_output=True, check=True)


def another_label(image: Path) -> None:
    subprocess.run(["e2label", str(image), "pictures"], check=True)


def truncated(image: Path) -> None:
    os.truncate(image, SIZE // 2)


def almost_blank(image: Path) -> None:
    os.truncate(image, 0)
    os.truncate(image, SIZE)
    write(image, SIZE // 2, b"x")


FIRST, LAST = (0, 1 << 20), (SIZE - (1 << 20), 1 << 20)
LUKS = b"LUKS\xba\xbe\x00\x02" + bytes(4088)
XFS = b"XFSB\x00\x00\x10\x00" + bytes(504)
BTRFS = b"_BHRfS_M"
PARTITIONS = bytes(446) + bytes.fromhex("00000000830000000008000000f81f00") + bytes(48) + b"\x55\xaa"

REPAIRED: dict[str, Damage] = {
    "a sound one": lambda _: None,
    "not unmounted": set_super("state 0"),
    "its journal is to be replayed": journal_to_be_replayed,
    "wrong count of free blocks": set_super("free_blocks_count 7", "state 0"),
    "wrong count of links": wrong_count_of_links,
    "an error was noted": set_super("state 2"),
    "an orphaned inode": set_super("last_orphan 13", "state 0"),
    "last megabyte zeroed": erase(LAST),
    "backup superblock zeroed": erase((32768 * BLOCK, BLOCK)),
    "its journal overwritten": random_journal,
    "a wrong block bitmap": wrong_bitmap,
    "a partition table in its boot block": overwrite(0, PARTITIONS),
    "random bytes in its boot block": overwrite(0, os.urandom(1024)),
    "the file itself overwritten in part": changed_file,
}
"""What e2fsck -p repairs, or what harms no file system."""

REFUSED: dict[str, Damage] = {
    "one wrong byte in the superblock": overwrite(1024 + 176, b"x"),
    "the superblock's checksum is wrong": overwrite(1024 + 1020, b"abcd"),
    "no magic number": erase((1080, 2)),
    "superblock zeroed": erase((1024, 1024)),
    "first block zeroed": erase((0, BLOCK)),
    "first megabyte zeroed": erase(FIRST),
    "first and last megabyte zeroed": erase(FIRST, LAST),
    "first 16 megabytes zeroed": erase((0, 16 << 20)),
    "group descriptors zeroed": erase((BLOCK, BLOCK)),
    "truncated": truncated,
    "random bytes in the first megabyte": overwrite(0, os.urandom(1 << 20)),
    "a LUKS header": overwrite(0, LUKS),
    "an XFS superblock": erase(FIRST, then=overwrite(0, XFS)),
    "a btrfs superblock": erase(FIRST, then=overwrite(0x10040, BTRFS)),
    "a swap signature": swap,
    "a partition table alone": erase(FIRST, then=overwrite(0, PARTITIONS)),
    "an ext4 with another label": another_label,
    "nothing left but one byte in its middle": almost_blank,
}
"""What stays as it is: nothing is formatted, nothing is mounted."""
BY_HAND = (
    "one wrong byte in the superblock",
    "the superblock's checksum is wrong",
    "no magic number",
    "superblock zeroed",
    "first block zeroed",
    "group descriptors zeroed",
)
"""Of these the operator gets every file back with e2fsck alone."""


def content(image: Path) -> bytes:
    """A hash of all that is on the disk."""
    with image.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@dataclass(frozen=True, slots=True)
class Machine:
    """A worker in a directory: its launch file, its disk, what programs were run on that."""

    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "disk.img"

    @property
    def places(self) -> home.Places:
        where = self.directory
        return home.Places(where / "home", where / "lib/home", where / "run/home-disk", where / "lib/undo")

    def boot(self, kind: HomeDisk, volume: object = None) -> int:
        fields: dict[str, object] = {"cluster": "c", "hub_api": "http://h", "hub_name": "h", "region": "r"}
        fields |= {"home": kind}
        fields |= {"home_volume": volume} if volume is not None else {}
        config = self.directory / "worker.json"
        config.write_text(json.dumps(fields))
        return home.run(config, self.places)

    def attach(self, *parts: str, serial: str = SERIAL) -> None:
        """Make lsblk list the disk, with these partitions."""
        children = [{"name": one, "model": None, "serial": None, "mountpoint": None} for one in parts]
        root = {"name": "/dev/root1", "model": None, "serial": None, "mountpoint": "/"}
        model = "Amazon Elastic Block Store"
        listed = [
            {"name": "/dev/root", "model": model, "serial": "vol1", "mountpoint": None, "children": [root]},
            {"name": str(self.disk), "model": model, "serial": serial, "mountpoint": None}
            | ({"children": children} if children else {}),
            {"name": "/dev/nvme2n1", "model": "Amazon EC2 NVMe Instance Storage", "mountpoint": None},
        ]
        (self.directory / "lsblk.json").write_text(json.dumps({"blockdevices": listed}))

    def program(self, name: str, text: str) -> None:
        path = self.directory / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    @property
    def formatted(self) -> int:
        """How often mkfs was run."""
        runs = self.directory / "mkfs"
        return len(runs.read_text().splitlines()) if runs.exists() else 0

    @property
    def is_ready(self) -> bool:
        return self.places.link.is_symlink() and self.places.link.resolve() == self.disk

    def thesis(self) -> str:
        return debugfs(self.disk, "cat thesis.txt")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home disk with a file."""
    directory = tmp_path_factory.mktemp("used")
    image, file = directory / "used.img", directory / "thesis.txt"
    file.write_bytes(KEPT)
    image.touch()
    os.truncate(image, SIZE)
    make = ["mkfs.ext4", "-q", "-b", str(BLOCK), "-L", home.LABEL, str(image)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    debugfs(image, f"write {file} thesis.txt", "mkdir empty")
    return image


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    made.program("lsblk", f"cat {tmp_path}/lsblk.json")
    made.program("mkfs.ext4", f'echo "$@" >>{tmp_path}/mkfs; exec {shutil.which("mkfs.ext4")} "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(pwd, "getpwnam", lambda _: pwd.getpwuid(os.getuid()))
    made.attach()
    return made


def put(machine: Machine, used: Path, blkid: str = "blkid") -> None:
    """Give the machine a copy of the used disk."""
    subprocess.run(["cp", "--sparse=always", str(used), str(machine.disk)], check=True)
    if blkid != "blkid":
        machine.program("blkid", "exit 2")


def blank(machine: Machine, size: int = SIZE) -> None:
    machine.disk.touch()
    os.truncate(machine.disk, size)


@pytest.mark.parametrize(
    ("kind", "blkid"), [(HomeDisk.NEW, "blkid"), (HomeDisk.NEW, NOTHING), (HomeDisk.EXISTING, NOTHING)]
)
@pytest.mark.parametrize("damage", REPAIRED)
def test_what_can_be_repaired_is_mounted_with_its_file(
    damage: str, kind: HomeDisk, blkid: str, machine: Machine, used: Path
) -> None:
    put(machine, used, blkid)
    REPAIRED[damage](machine.disk)
    assert machine.boot(kind) == 0
    assert (machine.formatted, machine.is_ready) == (0, True)
    assert KEPT.decode() in machine.thesis()
    assert subprocess.run(["e2fsck", "-fn", machine.disk], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("kind", "blkid"), [(HomeDisk.NEW, "blkid"), (HomeDisk.NEW, NOTHING), (HomeDisk.EXISTING, NOTHING)]
)
@pytest.mark.parametrize("damage", REFUSED)
def test_what_cannot_be_repaired_is_not_formatted_and_starts_nothing(
    damage: str,
    kind: HomeDisk,
    blkid: str,
    machine: Machine,
    used: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not even if the launch says that its disk is new, and nothing of an earlier boot is known."""
    put(machine, used, blkid)
    REFUSED[damage](machine.disk)
    found = content(machine.disk)
    assert machine.boot(kind) == 1
    assert (machine.formatted, machine.is_ready) == (0, False)
    assert "Nothing was formatted" in capsys.readouterr().out
    assert content(machine.disk) == found, "what e2fsck wrote before it gave up was undone"
    assert not machine.places.undo.exists()
    if damage in BY_HAND:
        subprocess.run(["e2fsck", "-fy", machine.disk], capture_output=True, check=False)
        assert KEPT.decode() in machine.thesis(), "as the guide says"


def test_new_and_blank_disk_is_formatted_once(machine: Machine) -> None:
    blank(machine)
    assert machine.boot(HomeDisk.NEW) == 0
    assert (machine.formatted, machine.is_ready, machine.places.log.read_text()) == (1, True, "ready\n")
    owner = debugfs(machine.disk, "stat /")
    assert f"User: {os.getuid():5d}" in owner
    debugfs(machine.disk, "mkdir work")
    assert machine.boot(HomeDisk.NEW) == 0
    assert machine.formatted == 1
    assert "work" in debugfs(machine.disk, "ls")


@pytest.mark.parametrize(
    ("kind", "log", "why"),
    [
        (HomeDisk.EXISTING, "", "an old disk, perhaps wiped"),
        (HomeDisk.EXISTING, f"formatting {SERIAL}", "an old disk, whatever the log says"),
        (HomeDisk.NEW, "ready", "another disk than the one that this launch made"),
    ],
)
def test_blank_disk_that_is_not_new_is_not_formatted(
    kind: HomeDisk, log: str, why: str, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    blank(machine)
    if log:
        home.write_log(machine.places.log, log)
    assert machine.boot(kind) == 1, why
    assert (machine.formatted, machine.is_ready) == (0, False)
    assert "is blank, but was not made for this machine" in capsys.readouterr().out


@pytest.mark.parametrize("written", [0, 1 << 20, SIZE // 2])
def test_interrupted_formatting_is_done_again(written: int, machine: Machine) -> None:
    """The machine went down before, at the beginning of, or within mkfs: its owner is not locked out."""
    blank(machine)
    home.write_log(machine.places.log, f"formatting {SERIAL}")
    if written:
        write(machine.disk, written, os.urandom(4096))
    assert machine.boot(HomeDisk.NEW) == 0
    assert (machine.formatted, machine.is_ready, machine.places.log.read_text()) == (1, True, "ready\n")


def test_formatting_that_was_complete_is_not_repeated(machine: Machine, used: Path) -> None:
    """The machine went down after mkfs, before that was noted."""
    put(machine, used)
    home.write_log(machine.places.log, f"formatting {SERIAL}")
    assert machine.boot(HomeDisk.NEW) == 0
    assert (machine.formatted, machine.is_ready) == (0, True)
    assert KEPT.decode() in machine.thesis()


@pytest.mark.parametrize("serial", ["vol0fedcba9876543210", ""])
def test_another_disk_than_the_one_that_was_being_formatted_is_not_touched(
    serial: str, machine: Machine
) -> None:
    blank(machine)
    write(machine.disk, SIZE // 2, KEPT)
    home.write_log(machine.places.log, f"formatting {SERIAL}")
    machine.attach(serial=serial)
    assert machine.boot(HomeDisk.NEW) == 1
    assert machine.formatted == 0


def test_disk_whose_formatting_was_interrupted_and_that_holds_something_else_is_not_touched(
    machine: Machine, used: Path
) -> None:
    put(machine, used)
    write(machine.disk, 0, LUKS)
    home.write_log(machine.places.log, f"formatting {SERIAL}")
    assert machine.boot(HomeDisk.NEW) == 1
    assert machine.formatted == 0


def test_formatting_that_fails_starts_nothing_and_is_tried_again_at_the_next_boot(machine: Machine) -> None:
    blank(machine)
    works = (machine.directory / "bin/mkfs.ext4").read_text()
    machine.program("mkfs.ext4", "echo no space >&2; exit 1")
    assert machine.boot(HomeDisk.NEW) == 1
    assert not machine.is_ready
    (machine.directory / "bin/mkfs.ext4").write_text(works)
    assert machine.boot(HomeDisk.NEW) == 0
    assert machine.formatted == 1


def test_nothing_is_formatted_where_the_log_cannot_be_written(machine: Machine) -> None:
    """Otherwise the next boot would not know of it."""
    blank(machine)
    machine.places.log.parent.write_text("a file where a directory should be")
    assert machine.boot(HomeDisk.NEW) == 1
    assert machine.formatted == 0


def test_blank_disk_with_partitions_is_not_formatted(machine: Machine) -> None:
    blank(machine)
    machine.attach("/dev/nvme1n1p1")
    assert machine.boot(HomeDisk.NEW) == 1
    assert machine.formatted == 0


def test_blkid_that_fails_is_no_permission(machine: Machine) -> None:
    blank(machine)
    machine.program("blkid", "exit 8")
    assert machine.boot(HomeDisk.NEW) == 1
    assert machine.formatted == 0


def test_home_on_the_root_disk_needs_nothing(machine: Machine) -> None:
    blank(machine)
    assert machine.boot(HomeDisk.NONE) == 0
    assert (machine.formatted, machine.is_ready, machine.places.link.exists()) == (0, False, False)


def test_launch_that_does_not_say_where_the_home_is_starts_nothing(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    blank(machine)
    config = machine.directory / "worker.json"
    config.write_text(json.dumps({"cluster": "c", "hub_api": "http://h", "hub_name": "h", "region": "r"}))
    assert home.run(config, machine.places) == 1
    assert "does not say where the home is" in capsys.readouterr().out
    assert machine.formatted == 0


def test_disk_that_is_attached_later_is_awaited(machine: Machine, used: Path) -> None:
    """Every disk of an existing home is, by the hub, once its new machine runs."""
    put(machine, used)
    there = (machine.directory / "lsblk.json").read_text()
    (machine.directory / "later.json").write_text(there)
    (machine.directory / "lsblk.json").write_text('{"blockdevices": []}')
    machine.program("lsblk", f"cd {machine.directory}; cat lsblk.json; cp later.json lsblk.json")
    assert machine.boot(HomeDisk.EXISTING) == 0
    assert machine.is_ready


@pytest.mark.parametrize(
    ("labels", "found"), [("ho", "/dev/a"), ("oh", "/dev/b"), ("oo", None), ("hh", None)]
)
def test_of_several_disks_the_labelled_one_is_the_home(labels: str, found: str | None) -> None:
    contents = {
        Path(f"/dev/{name}"): disks.Content("ext4", home.LABEL if label == "h" else "")
        for name, label in zip("ab", labels, strict=True)
    }
    attached = [disks.Disk(path) for path in contents] + [disks.Disk(Path("/dev/root"), is_mounted=True)]
    if found is None:
        with pytest.raises(disks.DiskError, match="several disks could be the home: /dev/a, /dev/b"):
            home.find(attached, contents.__getitem__)
    else:
        chosen = home.find(attached, contents.__getitem__)
        assert chosen is not None
        assert str(chosen.path) == found


def test_a_copy_of_a_backup_is_never_the_home_even_while_it_is_the_only_disk() -> None:
    """It has the home's label and UUID, and is attached before the home is."""
    copy = disks.Disk(Path("/dev/copy"), serial="vol0fffffffffffffff0")
    own = disks.Disk(Path("/dev/own"), serial=SERIAL)
    root = disks.Disk(Path("/dev/root"), serial="vol0eeeeeeeeeeeeeee0", is_mounted=True)
    same = disks.Content("ext4", home.LABEL)
    volume = SERIAL.replace("vol", "vol-")
    assert home.find([root, copy], lambda _: same, volume) is None
    for attached in ([root, copy, own], [own, copy, root]):
        assert home.find(attached, lambda _: same, volume) == own
        assert earlier.copy_of(attached, volume, lambda _: same) == copy
    assert earlier.copy_of([root, own], volume, lambda _: same) is None
    assert earlier.copy_of([root, own, copy], volume, lambda _: disks.Content("ext4", "other")) is None


def test_the_home_is_awaited_while_only_a_copy_of_its_backup_is_there(machine: Machine, used: Path) -> None:
    """With the product's own program, on the files of both disks."""
    copy = machine.directory / "copy.img"
    shutil.copy(used, copy)
    before = hashlib.sha256(copy.read_bytes()).hexdigest()
    put(machine, used)
    root, own, _ = json.loads((machine.directory / "lsblk.json").read_text())["blockdevices"]
    other = {**own, "name": str(copy), "serial": "vol0fffffffffffffff0"}
    (machine.directory / "later.json").write_text(json.dumps({"blockdevices": [root, other, own]}))
    (machine.directory / "lsblk.json").write_text(json.dumps({"blockdevices": [root, other]}))
    machine.program("lsblk", f"cd {machine.directory}; cat lsblk.json; cp later.json lsblk.json")
    assert machine.boot(HomeDisk.EXISTING_BESIDE_BACKUP, SERIAL.replace("vol", "vol-")) == 0
    assert machine.places.link.resolve() == Path(own["name"])
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == before, "the copy is not even checked"


@pytest.mark.parametrize("volume", [None, "", "vol-1", "/dev/sdf", 7])
def test_a_launch_beside_a_backup_that_names_no_home_starts_nothing(
    machine: Machine, used: Path, volume: object
) -> None:
    put(machine, used)
    assert machine.boot(HomeDisk.EXISTING_BESIDE_BACKUP, volume) == 1
    assert not machine.places.link.exists()


@pytest.mark.parametrize("size", [GB, 5 * GB + 512, 100 * GB])
@pytest.mark.parametrize("block", [1024, 2048, 4096])
def test_every_backup_of_a_superblock_is_among_the_places_that_must_be_blank(size: int, block: int) -> None:
    """ext4 keeps them in the groups 1, 3, 5, 7 and in powers of the last three, a group being 8 * block blocks."""
    read = sorted(disks.places(size))
    group = 8 * block * block
    for number in (1, 3, 5, 7, 9, 25, 27, 49, 81, 125):
        backup = number * group + (1024 if block == 1024 else 0)
        if backup + block < size:
            assert any(start <= backup and backup + 1024 <= start + length for start, length in read), number
    assert read[0] == (0, disks.MEGABYTE)
    assert (size - disks.MEGABYTE, disks.MEGABYTE) in read
