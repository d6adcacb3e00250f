"""The users that the manager's services run as, and what belongs to them."""

import grp
import os
import pwd
from pathlib import Path

from bootstrap.machines.manager.paths import HUB_STATE, HUB_USER, PROXY_USER
from bootstrap.machines.manager.running import Run


def ensure_users(run: Run) -> None:
    """Hub and proxy have users of their own; Caddy's comes with its package."""
    for user, home in ((HUB_USER, HUB_STATE), (PROXY_USER, Path("/nonexistent"))):
        try:
            pwd.getpwnam(user)
        except KeyError:
            run(
                ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(home),
                 "--shell", "/usr/sbin/nologin", user]
            )  # fmt: skip


def give_directory(directory: Path, user: str) -> None:
    """The directory and all in it belong to `user` alone: another machine may have had another number for the name."""
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)
    owner, group = pwd.getpwnam(user).pw_uid, grp.getgrnam(user).gr_gid
    for path in (directory, *directory.rglob("*")):
        os.chown(path, owner, group, follow_symlinks=False)
