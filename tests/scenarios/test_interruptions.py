"""`up` is killed again and again, each time some changing calls further, and completes without a duplicate."""

import os
from pathlib import Path

import pytest

from tests.scenarios.account import Account, Cluster
from tests.scenarios.everything import everything
from tests.shared.addresses import free_port

pytestmark = pytest.mark.cloud
HERE = Path(__file__).parent
# Each run lives for so many calls more than the one before it, for it repeats some: Chalice updates what it deployed.
# 1, every call, in `make interruptions`.
CALLS_MORE = int(os.environ.get("CALLS_MORE", "8"))
MOST_DEATHS = 400


def test_killed_at_every_step_it_completes_without_a_duplicate(tmp_path: Path) -> None:
    """The cluster that was interrupted so often has as much of everything as one that was built in one go."""
    account = Account(tmp_path, free_port(), "--boot-time", "0.2", "--stop-time", "0.2")
    try:
        account.up()
        empty = everything(account)
        often = account.cluster("often", port=free_port(), private_address=f"127.{account.network}.0.20")
        deaths = _up_with_deaths(often, tmp_path / "calls")
        assert deaths > 40 // CALLS_MORE
        assert often.hub_answers()
        assert often.up()["changed"] == []
        interrupted = _kinds(everything(account) - empty)

        often.ok("down", "--confirm", "often")
        assert everything(account) == empty
        often.up()
        assert _kinds(everything(account) - empty) == interrupted
    finally:
        account.down()


def _up_with_deaths(cluster: Cluster, calls: Path) -> int:
    """How often `up` was killed until it came to its end."""
    for deaths in range(MOST_DEATHS):
        calls.unlink(missing_ok=True)
        done = cluster.run(
            "up",
            "--yes",
            PYTHONPATH=str(HERE / "interrupting"),
            CALLS_MADE=str(calls),
            CALLS_UNTIL_DEATH=str((deaths + 1) * CALLS_MORE),
        )
        if done.returncode >= 0:
            assert done.returncode == 0, f"after {deaths} deaths: {done.stdout}\n{done.stderr}"
            return deaths
    raise AssertionError(f"not complete after {MOST_DEATHS} deaths")


def _kinds(things: set[str]) -> dict[str, int]:
    """How many there are of each kind."""
    kinds = [thing.split()[0] for thing in things]
    return {kind: kinds.count(kind) for kind in kinds}
