"""`workers watch`: a screen that fits, lines that are whole in a pipe, and readings of what changed alone."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from bootstrap.cli.terminal import SafeConsole
from bootstrap.cli.watch import follow, shown
from bootstrap.cli.workers import workers
from bootstrap.errors import NotBuilt, SettingsError
from bootstrap.operations.workers.watching import Watched
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import message
from lifecycle_app.model.worker import EPOCH, OVERLAP, State, Worker
from tests.bootstrap.clusters import FILE, NOW, Built, built

MINUTE = timedelta(minutes=1)
REASON = message("idle", timeout=timedelta(hours=1), last_used=NOW - timedelta(hours=1))


class Records:
    """A store that notes from when on it was asked for changes, and can fail."""

    def __init__(self, *found: Worker) -> None:
        self.found = list(found)
        self.asked: list[object] = []
        self.fails = False

    def changed_since(self, at: object) -> list[Worker]:
        self.asked.append(at)
        if self.fails:
            raise StoreUnavailable("throttled\x1b[2J")
        return self.found

    def newest_of_day(self, day: str, limit: int) -> list[Entry]:
        at = NOW - 2 * MINUTE
        one = Entry(key="bob", at=at, kind=Kind.STOP, reason="idle", message=REASON, instance_id="i-00000001")
        return [one][:limit] if day == NOW.date().isoformat() else []


def worker(key: str, state: State = State.RUNNING, due_in: timedelta = MINUTE) -> Worker:
    since = NOW - 5 * MINUTE
    return Worker(
        key=key, state=state, state_at=since, instance_id="i-00000001", version=1, changed_at=NOW, started_at=since,
        due_at=NOW + due_in, message=REASON,
    )  # fmt: skip


def watched(*found: Worker) -> Watched:
    made = Watched(Records(*found))  # type: ignore[arg-type]
    made.read(NOW)
    return made


def terminal(width: int, height: int = 24) -> Console:
    return SafeConsole(width=width, height=height, file=io.StringIO(), force_terminal=True, record=True)


def lines(found: Watched, target: Console) -> list[str]:
    target.print(shown("spring", found, NOW, target))
    return target.export_text().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 12), (120, 30), (200, 50)])
def test_it_fits_a_terminal_with_what_may_stop_first_at_the_top(width: int, height: int) -> None:
    machines = [worker(f"student-{n:03}", due_in=n * MINUTE) for n in range(300)]
    found = lines(watched(worker("old", State.STOPPED), *machines), terminal(width, height))
    assert len(found) < height
    assert max(map(len, found)) <= width
    names = [line for line in found if "student-" in line]
    assert "student-000" in names[0]
    assert f"{301 - len(names)} more" in "\n".join(found)
    assert any("bob" in line for line in found), "the newest decisions are in view"


def test_narrow_screens_leave_out_what_can_be_told_from_the_rest() -> None:
    assert "since" not in lines(watched(worker("ada")), terminal(80))[2]
    assert "since" in "".join(lines(watched(worker("ada")), terminal(120)))


def test_what_costs_money_comes_first_and_what_is_gone_not_at_all() -> None:
    found = watched(
        worker("stopped", State.STOPPED),
        worker("late", due_in=9 * MINUTE),
        worker("gone", State.TERMINATED),
        worker("soon"),
        worker("starting", State.PENDING),
    )
    assert [one.key for one in found.workers] == ["starting", "soon", "late", "stopped"]


def test_after_the_first_only_what_changed_is_read() -> None:
    records = Records(worker("ada"))
    found = Watched(records)  # type: ignore[arg-type]
    found.read(NOW)
    records.found = [replace(worker("bob"), changed_at=NOW + MINUTE)]
    found.read(NOW + MINUTE)
    found.read(NOW + 2 * MINUTE)
    assert records.asked == [EPOCH, NOW - OVERLAP, NOW + MINUTE - OVERLAP]
    assert {one.key for one in found.workers} == {"ada", "bob"}


def test_a_record_from_the_future_hides_no_change() -> None:
    records = Records(replace(worker("ada"), changed_at=NOW + timedelta(days=9)))
    found = Watched(records)  # type: ignore[arg-type]
    found.read(NOW)
    found.read(NOW)
    assert records.asked[-1] == NOW - OVERLAP


def test_a_failed_reading_is_said_and_the_view_stays_until_ctrl_c() -> None:
    records = Records(worker("ada"))
    found = Watched(records)  # type: ignore[arg-type]
    found.read(NOW)
    target, pauses = terminal(100), iter([None, None])

    def pause() -> None:
        records.fails = True
        if next(pauses, "end") == "end":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow("spring", found, target, lambda: NOW, pause)
    text = target.export_text()
    assert "trying again: throttled" in text
    assert text.rstrip("\n").split("trying again")[-1].count("ada") == 1
    assert "\x1b[2J" not in text


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Built]:
    with built(monkeypatch, tmp_path) as made:
        yield made


def test_in_a_pipe_it_prints_whole_lines_once(cluster: Built) -> None:
    name = "a" * 60 + "@university.example"
    cluster.worker(name, message=REASON)
    printed = cluster.run(workers, "watch").output
    [line] = [line for line in printed.splitlines() if name in line]
    assert "running" in line
    assert "not used for 1 hour" in line
    assert "…" not in printed
    assert "…" not in cluster.run(workers, "list").output
    assert [
        one["worker"] for one in json.loads(cluster.run(workers, "watch", "--json").output)["workers"]
    ] == [name]


def test_it_says_what_it_refuses(cluster: Built) -> None:
    for every in ("1s", "11m"):
        with pytest.raises(SettingsError, match="from 2s to 10m"):
            cluster.run(workers, "watch", "--every", every)
    cluster.file.write_text(FILE.replace("spring", "autumn"))
    with pytest.raises(NotBuilt, match=r"autumn .*cloudjhub up"):
        cluster.run(workers, "watch")
