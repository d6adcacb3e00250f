"""Ctrl-C, and two commands at once: what goes on ends in order, in one line and with a shell's exit code."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType
from typing import Any

import click
import pytest

from bootstrap import __main__
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cli.progress import alone, reporting
from bootstrap.cluster import building
from bootstrap.cluster.steps.step import Change
from bootstrap.config.settings import ClusterSettings, Network
from bootstrap.errors import Interrupted, Refused

LONG = 20.0


@pytest.fixture(autouse=True)
def ctrl_c_raises() -> Iterator[None]:
    """Test runs in the background ignore SIGINT."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handler)
    yield
    signal.signal(signal.SIGINT, before)


def a_site(directory: Path) -> Site:
    settings = ClusterSettings(
        cluster="spring", region="eu-west-1", owner="me", network=Network(name="spring")
    )
    return Site(settings=settings, aws=Aws("eu-west-1"), directory=directory / ".cloudjhub" / "spring")


class Endless:
    """A step that tells what it does until it is interrupted; `presses` Ctrl-C is pressed meanwhile."""

    name = "endless"

    def __init__(self, together: threading.Barrier, *, presses: bool) -> None:
        self._together = together
        self._presses = presses
        self.ended: BaseException | None = None

    def apply(self, _site: Site, tell: Report) -> None:
        until = time.monotonic() + LONG
        self._together.wait(LONG)
        time.sleep(0.1)  # until those who started us wait
        try:
            while time.monotonic() < until:
                tell("still at it")
                if self._presses:
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                    self._presses = False
                time.sleep(0.01)
        except Interrupted as error:
            self.ended = error
            raise

    def changes(self, _site: Site) -> list[Change]:
        return []

    def removals(self, _site: Site) -> list[Change]:
        return []

    def remove(self, site: Site, tell: Report) -> None: ...


def test_ctrl_c_ends_every_step_that_is_under_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    barrier = threading.Barrier(2)
    steps = (Endless(barrier, presses=True), Endless(barrier, presses=False))
    site = a_site(tmp_path)
    with pytest.raises(Interrupted, match="run the same command again"), reporting() as reporter:
        building.together(steps, lambda step, tell: step.apply(site, tell), reporter)
    assert all(step.ended for step in steps)
    told = capsys.readouterr()
    assert "endless: interrupted" in told.err
    assert "failed" not in told.err, "the operator wanted it"
    assert not told.out


def test_ctrl_c_elsewhere_is_one_line_and_exit_code_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def wait() -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setitem(__main__.cli.commands, "wait", wait)
    monkeypatch.setattr("sys.argv", ["cloudjhub", "wait"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "cloudjhub: interrupted\n"


@pytest.mark.parametrize(
    ("ends", "code", "told"),
    [
        (KeyboardInterrupt, 130, "interrupted: nothing was changed"),
        (EOFError, 2, "Not a terminal, nothing was changed: pass --yes"),
        (lambda: "n", 4, "nothing was changed\n"),
    ],
)
def test_a_question_that_is_not_answered_with_yes_ends_in_a_line_and_a_code_of_its_own(
    ends: Any, code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def ask() -> None:
        click.confirm("Continue?", abort=True, err=True)

    def typed(_prompt: str) -> str:
        answer = ends()
        if isinstance(answer, BaseException):
            raise answer
        return str(answer)

    monkeypatch.setattr("click.termui.visible_prompt_func", typed)
    monkeypatch.setitem(__main__.cli.commands, "ask", ask)
    monkeypatch.setattr("sys.argv", ["cloudjhub", "ask"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == code
    assert f"cloudjhub: {told}" in capsys.readouterr().err


def hold(directory: Path, held: Event) -> None:
    with alone(a_site(directory)):
        held.set()
        time.sleep(LONG)


def test_a_second_command_is_refused_until_the_first_one_is_gone_even_if_it_was_killed(
    tmp_path: Path,
) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    first = context.Process(target=hold, args=(tmp_path, held))
    first.start()
    assert held.wait(LONG)
    with (
        pytest.raises(Refused, match=rf"another command is changing spring .*process {first.pid}"),
        alone(a_site(tmp_path)),
    ):
        raise AssertionError("two at once")
    first.kill()
    first.join()
    with alone(a_site(tmp_path)):
        pass
    with alone(a_site(tmp_path)):
        pass
