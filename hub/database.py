"""The hub's database: SQLite, with its changes in a write-ahead log."""

import sqlite3
from typing import Any


class Connection(sqlite3.Connection):
    """A connection on which a commit waits for no disk, since JupyterHub commits in its event loop, dozens of times in
    each login.

    A hub that is killed loses nothing by that. A machine that loses power may lose the last commits, never the whole:
    whose login is lost logs in again, and who runs what is found by the records.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")


def options() -> dict[str, Any]:
    """What JupyterHub hands to SQLAlchemy's `create_engine`, with its own default in it."""
    return {"connect_args": {"check_same_thread": False, "factory": Connection}}
