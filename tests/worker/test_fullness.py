"""A home that fills: how much is left, and what in it is large."""

import os
from pathlib import Path

import pytest

from bootstrap.worker import fullness
from bootstrap.worker.fullness import EVERY, LEAST_BYTES, SHOWN, Fullness, Space, largest, space


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))


def test_what_is_large_is_named_by_its_place_directly_below_the_home(tmp_path: Path) -> None:
    write(tmp_path / "data/deep/er/a", 3 * LEAST_BYTES)
    write(tmp_path / "data/b", LEAST_BYTES)
    write(tmp_path / ".cache/c", 2 * LEAST_BYTES)
    write(tmp_path / "notes.txt", 100)
    write(tmp_path / "odd\x1b[2Jname", LEAST_BYTES)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    found = largest(tmp_path)
    assert [name for name, _ in found] == ["data", ".cache", "odd[2Jname"]
    assert 4 * LEAST_BYTES <= found[0][1] < 5 * LEAST_BYTES


def test_a_few_are_named_and_none_where_there_is_too_much_to_look_at(tmp_path: Path) -> None:
    for number in range(SHOWN + 2):
        write(tmp_path / f"file{number}", LEAST_BYTES)
    assert len(largest(tmp_path)) == SHOWN
    assert len(largest(tmp_path, SHOWN + 2)) == SHOWN
    assert largest(tmp_path, SHOWN + 1) == []
    assert largest(tmp_path / "gone") == []


@pytest.mark.parametrize(
    ("blocks", "files", "found"),
    [
        ((100, 20), (0, 0), Space(0.8, 20 * 4096)),
        ((100, 0), (1000, 900), Space(1.0, 0)),
        ((100, 90), (1000, 50), Space(0.95, 90 * 4096)),
    ],
)
def test_blocks_or_files_whichever_are_fewer(
    monkeypatch: pytest.MonkeyPatch, blocks: tuple[int, int], files: tuple[int, int], found: Space
) -> None:
    fields = (4096, 4096, blocks[0], blocks[1], blocks[1], files[0], files[1], files[1], 0, 255)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    measured = space(Path("/home"))
    assert measured is not None
    assert (round(measured.share, 6), measured.free) == (found.share, found.free)


async def test_a_page_is_told_from_85_percent_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large is looked for beside the requests, and again after a while."""
    now, share = [0.0], [0.849]
    monkeypatch.setattr(fullness, "space", lambda _: Space(share[0], 5))
    home = Fullness(tmp_path, lambda: now[0])
    assert home.told() is None
    share[0] = 0.85
    write(tmp_path / "data", LEAST_BYTES)
    assert home.told() == {"share": 0.85, "free": 5, "large": []}
    await home._reading  # type: ignore[misc]
    told = home.told()
    assert told is not None
    assert [one["name"] for one in told["large"]] == ["data"]
    (tmp_path / "data").rename(tmp_path / "data2")
    now[0] = EVERY
    home.told()
    await home._reading  # type: ignore[misc]
    told = home.told()
    assert told is not None
    assert [one["name"] for one in told["large"]] == ["data2"]
