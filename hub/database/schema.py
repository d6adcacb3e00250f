"""The versions of JupyterHub's database: which one a file has, and its upgrade to that of this JupyterHub."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from tempfile import TemporaryDirectory

import alembic.command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from jupyterhub import dbutil
from sqlalchemy.exc import SQLAlchemyError

from hub.errors import DatabaseUnusable


class Age(Enum):
    """A database's version beside that of this JupyterHub."""

    CURRENT = auto()
    """It is the same, or JupyterHub itself finds out: a new database has none."""
    OLDER = auto()
    UNKNOWN = auto()
    """Of a newer JupyterHub, most likely."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The versions that a JupyterHub knows, and its own."""

    own: str
    known: frozenset[str]

    def age(self, version: str | None) -> Age:
        """Of a database with this version."""
        if version in (None, self.own):
            return Age.CURRENT
        return Age.OLDER if version in self.known else Age.UNKNOWN


def of_this_hub() -> Schema:
    """What this JupyterHub knows."""
    config = Config()
    config.set_main_option("script_location", dbutil.ALEMBIC_DIR)
    scripts = ScriptDirectory.from_config(config)
    return Schema(scripts.get_heads()[0], frozenset(one.revision for one in scripts.walk_revisions()))


def version_of(database: Path) -> str | None:
    """The version that is written in a database; None in a new one. Raises DatabaseUnusable."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            has_one = connection.execute(
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
            ).fetchone()
            found = has_one and connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"it cannot be read: {error}") from error
    return str(found[0]) if found else None


def upgrade(database: Path) -> None:
    """Bring the database to this JupyterHub's version. Raises DatabaseUnusable.

    Not by `c.JupyterHub.upgrade_db`: it runs a program `alembic`, which is not on the hub's path.
    """
    url = f"sqlite:///{database}"
    try:
        with TemporaryDirectory() as directory:
            file = Path(directory, "alembic.ini")
            dbutil.write_alembic_ini(str(file), url)
            alembic.command.upgrade(Config(str(file)), "head")
    except (CommandError, SQLAlchemyError, OSError) as error:
        raise DatabaseUnusable(f"JupyterHub's upgrade of it failed: {error}") from error
