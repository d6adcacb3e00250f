"""What a server needs in order to start in a home that has no space left, so that its user can delete something.

The server's own short-lived files (connection files, cookie secret) are never in the home. In a full one it also does
without what Jupyter and IPython would write there at once. The user's files stay as they are.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from .facts import HomeSpace

LEAST_BYTES = 16 * 1024 * 1024
LEAST_FILES = 200
"""With less space, or fewer files that can still be made, a home counts as full."""


GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Extra:
    """What is added to a server's environment and command line."""

    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    directory: str = ""
    """Where the server is started; "" for the home."""

    def __add__(self, other: Self) -> Self:
        return type(self)(
            {**self.environment, **other.environment},
            (*self.arguments, *other.arguments),
            other.directory or self.directory,
        )


def is_full(home: Path) -> bool:
    """Has the home no space to speak of? A home that cannot be asked counts as one with space."""
    try:
        found = os.statvfs(home)
    except OSError:
        return False
    # Some file systems have no fixed number of files, and say 0.
    return found.f_bavail * found.f_frsize < LEAST_BYTES or (
        found.f_files > 0 and found.f_favail < LEAST_FILES
    )


def home_space(home: Path) -> HomeSpace | None:
    """The space of the home's file system; None if it cannot be asked."""
    try:
        found = os.statvfs(home)
    except OSError:
        return None
    return HomeSpace(found.f_blocks * found.f_frsize / GIB, found.f_bavail * found.f_frsize / GIB)


def extra_for(home: Path, runtime: Path, *, full: bool) -> Extra:
    """The settings for a server with this home, whose short-lived files go to `runtime`."""
    environment = {"JUPYTER_RUNTIME_DIR": str(runtime)}
    if not full:
        return Extra(environment)
    # At a server's start, Jupyter takes over IPython's old configuration and notes that in the home; a kernel makes
    # itself a profile. Both fail where there is no space, and with them the start.
    if not (home / ".jupyter/migrated").exists() or not (home / ".ipython/profile_default").exists():
        environment["IPYTHONDIR"] = str(runtime / "ipython")
    return Extra(
        environment,
        (
            # What is in the trash still takes space. JupyterLab asks whether to delete it permanently.
            "--FileContentsManager.delete_to_trash=False",
            "--FileContentsManager.always_delete_dir=True",
            # Otherwise a database that cannot be written is put aside, and a notebook does not open without a key.
            "--NotebookNotary.db_file=:memory:",
            f"--NotebookNotary.secret_file={runtime / 'notebook_secret'}",
        ),
    )
