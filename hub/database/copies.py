"""JupyterHub's SQLite database as a file: copied consistently while the hub writes, packed, checked, replaced."""

import gzip
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hub.errors import DatabaseUnusable

FILES = ("", "-wal", "-shm")
"""What follows the database's name in those of its files."""
LARGEST = 4 * 1024**3
"""Bytes of a database: far more than JupyterHub's has with 10,000 users."""
CHUNK = 1024 * 1024


def copy(database: Path, to: Path) -> int:
    """Copy the database, whoever writes to it meanwhile, into one file; how many users are in it.

    SQLite's own online backup: the copy is the database of one moment. Raises DatabaseUnusable.
    """
    with _told("it cannot be copied"):
        to.unlink(missing_ok=True)
        uri = f"{database.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True)) as source, closing(sqlite3.connect(to)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
    return checked(to)


def checked(database: Path) -> int:
    """How many users are in this copy. Raises DatabaseUnusable for one that is damaged, or is not JupyterHub's."""
    with _told("it is damaged"), closing(sqlite3.connect(database)) as connection:
        [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise DatabaseUnusable(f"it is damaged: {found}")
        [users] = connection.execute("SELECT count(*) FROM users").fetchone()
        return int(users)


def pack(copied: Path, to: Path) -> None:
    """Compress a copy. Raises DatabaseUnusable."""
    with _told("it cannot be packed"), copied.open("rb") as source, gzip.open(to, "wb") as target:
        shutil.copyfileobj(source, target, CHUNK)


def unpack(packed: Path, to: Path) -> None:
    """Take a copy out of its packing, and check it. Raises DatabaseUnusable."""
    with _told("it cannot be unpacked"), gzip.open(packed, "rb") as source, to.open("wb") as target:
        room = LARGEST
        while chunk := source.read(CHUNK):
            room -= len(chunk)
            if room < 0:
                raise DatabaseUnusable(f"it has more than {LARGEST} bytes")
            target.write(chunk)
    checked(to)


def replace(database: Path, by: Path, aside: Path | None = None) -> None:
    """Put another file in the database's place while no hub runs; the old one is kept as `aside`.

    Raises DatabaseUnusable.
    """
    with _told("it cannot be replaced"):
        for end in FILES:
            old = database.with_name(database.name + end)
            kept = aside.with_name(aside.name + end) if aside else None
            if kept:
                kept.unlink(missing_ok=True)
            if kept and old.exists():
                old.rename(kept)
            else:
                old.unlink(missing_ok=True)
        by.rename(database)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turns the errors of files and of SQLite into DatabaseUnusable."""
    try:
        yield
    except (sqlite3.Error, OSError, EOFError, zlib.error) as error:
        raise DatabaseUnusable(f"{what}: {error}") from error
