"""The hub's database as JupyterHub opens it."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyterhub import orm
from sqlalchemy import text

from hub.config import tuning


def test_a_commit_waits_for_no_disk_and_keys_are_still_checked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    session = orm.new_session_factory(url, **tuning.database_options())()
    asked = {
        name: session.execute(text(f"PRAGMA {name}")).scalar()
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    session.close()
    session.get_bind().dispose()
    assert asked == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1}


def test_what_was_committed_is_there_for_whoever_opens_the_database_next(tmp_path: Path) -> None:
    """Though the first connection is still open, as a killed hub's is."""
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    first = orm.new_session_factory(url, **tuning.database_options())()
    first.add(orm.User(name="ada"))
    first.commit()
    second = orm.new_session_factory(url, **tuning.database_options())()
    assert orm.User.find(second, "ada") is not None
    for session in (first, second):
        session.close()
        session.get_bind().dispose()


@pytest.fixture
def garbage_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("garbage_as_before")
def test_what_is_there_when_the_hub_starts_is_never_looked_at_for_garbage_again() -> None:
    kept: list[dict[str, int]] = [{} for _ in range(10_000)]
    tuning.freeze_garbage()
    assert gc.get_freeze_count() >= len(kept)
    assert gc.isenabled()
    assert gc.get_threshold()[0] == tuning.YOUNG
