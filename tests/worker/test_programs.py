"""Real programs in a real terminal: at their prompts they are not work, doing something they are.

Each is typed into bash in a pseudo-terminal, as in JupyterLab, and looked at until it is in the expected state.
"""

import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from bootstrap.worker.facts import Awaited, Facts, read_tree
from bootstrap.worker.waits import read_waits
from bootstrap.worker.work import PASSIVE, candidates, jobs, waits_of
from tests.shared.waiting import PATIENCE, until

pytestmark = pytest.mark.timeout(PATIENCE)


@dataclass
class Terminal:
    """A shell in a pseudo-terminal, whose screen is not shown."""

    shell: int
    keyboard: int
    before: Facts | None = None

    def type(self, text: str) -> None:
        os.write(self.keyboard, text.encode())

    def look(self) -> Facts:
        """As the reporter looks."""
        me = os.getpid()
        tree = read_tree(me)
        facts = Facts(
            at=datetime.now(UTC),
            root=me,
            server=me,
            processes=tree.processes,
            cpu_time=tree.cpu_time,
            terminals={"1": self.shell},
        )
        waits = read_waits(facts.processes, candidates(facts))
        return replace(facts, waits=waits_of(facts.processes, waits, self.before))

    def until(self, expected: Callable[[dict[str, frozenset[Awaited]], list[str]], bool], what: str) -> None:
        """Look until what the programs wait for, by name, and the names of those that work are as expected."""

        def seen() -> bool:
            facts = self.look()
            working = [name for job in jobs(facts, self.before or facts) for name in job.programs]
            self.before = facts
            below = {process.pid: process.name for process in facts.processes}
            return expected({below[pid]: waits for pid, waits in facts.waits.items()}, working)

        until(lambda: seen() or None, what)

    def until_waiting(self, name: str) -> None:
        """Until the program waits, and nothing works."""
        self.until(
            lambda waits, working: bool(waits.get(name, frozenset()) & PASSIVE) and not working,
            f"{name} to wait",
        )

    def until_working(self, name: str) -> None:
        """Until the program sleeps and is work, and nothing else is."""
        self.until(
            lambda waits, working: name in waits and waits[name] != frozenset() and working == [name],
            f"{name} to work",
        )

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.shell).children(recursive=True)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.chdir(tmp_path)
    shell, keyboard = pty.fork()
    if shell == 0:
        # Where the tests run in the background of a shell, these are ignored, and programs inherit that.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.environ.update(
            {"TERM": "xterm", "PS1": "$ ", "HOME": str(tmp_path), "HISTFILE": "", "LESS": "", "PAGER": "less"}
        )
        os.execvp("bash", ["bash", "--norc", "-i"])  # noqa: S606 -- the shell of a terminal
    screen = threading.Thread(target=read_all, args=(keyboard,), daemon=True)
    screen.start()
    terminal = Terminal(shell, keyboard)
    try:
        yield terminal
    finally:
        for process in terminal.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        os.kill(shell, signal.SIGKILL)
        os.waitpid(shell, 0)
        screen.join()
        os.close(keyboard)


def read_all(descriptor: int) -> None:
    with suppress(OSError):
        while os.read(descriptor, 1 << 16):
            pass


def program(name: str) -> str:
    """The program, which the test needs and this machine may not have."""
    found = shutil.which(name)
    if found is None or subprocess.run([found, "--version"], capture_output=True).returncode:
        newer = sorted(Path("~/.pyenv/versions").expanduser().glob(f"*/bin/{name}"))
        if not newer:
            pytest.skip(f"there is no {name} on this machine")
        return str(newer[-1])
    return found


@pytest.mark.parametrize("version", ["python3.10", "python3.11", "python3.12", "python3.13", "python3.14"])
def test_python_at_its_prompt_is_not_work_and_computing_it_is(terminal: Terminal, version: str) -> None:
    python = program(version)
    terminal.type(f"{python}\n")
    name = Path(python).name
    terminal.until_waiting(name)
    terminal.type("import time; open('sleeps', 'w').close(); time.sleep(1000)\n")
    until(lambda: Path("sleeps").exists() or None, "the line to run")
    terminal.until_working(name)
    terminal.type("\x03")
    terminal.until_waiting(name)
    terminal.type("while True: pass\n\n")
    terminal.until(lambda _, working: working == [name], "the loop")


def test_what_a_prompt_has_started_is_work(terminal: Terminal) -> None:
    terminal.type(f"{sys.executable}\n")
    name = Path(sys.executable).name
    terminal.until_waiting(name)
    terminal.type("import subprocess; child = subprocess.Popen(['sleep', '1000'])\n")
    terminal.until(
        lambda waits, working: bool(waits.get(name, frozenset()) & PASSIVE) and working == ["sleep"],
        "the prompt, and its child",
    )


def test_a_thread_behind_a_prompt_that_sleeps_or_has_a_connection_is_work(terminal: Terminal) -> None:
    terminal.type(f"{sys.executable}\n")
    name = Path(sys.executable).name
    terminal.until_waiting(name)
    terminal.type("import threading, time; threading.Thread(target=time.sleep, args=(1000,)).start()\n")
    terminal.until_working(name)


def test_an_idle_pool_behind_a_prompt_is_not_work(terminal: Terminal) -> None:
    terminal.type(f"{sys.executable}\n")
    name = Path(sys.executable).name
    terminal.until_waiting(name)
    terminal.type("import multiprocessing; pool = multiprocessing.get_context('fork').Pool(3)\n")
    # The pool's own threads in the parent wake by the clock: only the children are certain to wait.
    until(lambda: len(terminal.processes()) == 4 or None, "the pool")
    terminal.until(lambda _, working: working in ([], [name]), "the pool to be idle")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("less big.log", "less"),
        ("vim -u NONE notes.md", "vim"),
        ("nano notes.md", "nano"),
        ("node", "node"),
        ("bash --rcfile /dev/null", "bash"),
        ("sqlite3", "sqlite3"),
        ("gdb -nx", "gdb"),
        ("cat", "cat"),
        ("top", "top"),
        ("htop", "htop"),
        ("R --no-save", "R"),
        ("less big.log; true", "less"),
    ],
)
def test_a_program_that_waits_for_keys_is_not_work(terminal: Terminal, command: str, name: str) -> None:
    program(name)
    Path("big.log").write_text("line\n" * 100_000)
    terminal.type(command + "\n")
    terminal.until_waiting(name)


def test_ipython_at_its_prompt_is_not_work(terminal: Terminal) -> None:
    """It waits by asyncio: with a pair of sockets to itself, and a thread that writes its history."""
    ipython = Path(sys.executable).with_name("ipython")
    if not ipython.exists():
        pytest.skip("there is no ipython on this machine")
    terminal.type(f"{ipython} --no-banner\n")
    terminal.until_waiting("ipython")


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("cat big.log | less", "less"),
        ("sh -c 'less big.log; true'", "less"),
        ("git -C . -c core.pager=less log", "git"),
    ],
)
def test_what_only_waits_for_a_pager_is_not_work(terminal: Terminal, command: str, needed: str) -> None:
    program(needed)
    Path("big.log").write_text("line\n" * 100_000)
    if needed == "git":
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        for arguments in (
            ("init", "-q"),
            ("commit", "-q", "--allow-empty", "-m", "x\n\n" + "line\n" * 20_000),
        ):
            subprocess.run(["git", *identity, *arguments], check=True)
    terminal.type(command + "\n")
    terminal.until_waiting("less")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("sleep 1000", "sleep"),
        ("sleep 1000 | cat", "sleep"),
        ("cat fifo", "cat"),
        ("tail -f big.log", "tail"),
        ("sh -c 'sleep 1000; true'", "sleep"),
    ],
)
def test_a_program_that_waits_for_anything_else_is_work(terminal: Terminal, command: str, name: str) -> None:
    Path("big.log").write_text("line\n" * 100_000)
    os.mkfifo("fifo")
    terminal.type(command + "\n")
    terminal.until_working(name)


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """A server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as server:
        yield server


@pytest.mark.parametrize("name", ["wget", "ssh", "curl"])
def test_a_program_that_waits_for_another_machine_is_work(
    terminal: Terminal, silent_server: socket.socket, name: str
) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name} on this machine")
    port = silent_server.getsockname()[1]
    target = f"-p {port} 127.0.0.1" if name == "ssh" else f"http://127.0.0.1:{port}/"
    terminal.type(f"{name} {target}\n")
    terminal.until_working(name)


def test_a_connection_that_also_waits_for_keys_is_work(
    terminal: Terminal, silent_server: socket.socket
) -> None:
    """As an open ssh does."""
    port = silent_server.getsockname()[1]
    Path("both.py").write_text(
        "import select, socket, sys\n"
        f"other = socket.create_connection(('127.0.0.1', {port}))\n"
        "select.select([sys.stdin, other], [], [])\n"
    )
    terminal.type(f"{sys.executable} both.py\n")
    terminal.until_working(Path(sys.executable).name)


def test_a_busy_loop_is_work(terminal: Terminal) -> None:
    terminal.type("sh -c 'while :; do :; done'\n")
    terminal.until(lambda _, working: working == ["sh"], "the loop")


def test_a_program_in_the_background_of_a_prompt_is_work(terminal: Terminal) -> None:
    terminal.type("sleep 1000 &\n")
    terminal.until_working("sleep")


def test_a_terminal_in_the_terminal_is_not_work_and_what_runs_in_it_is(terminal: Terminal) -> None:
    """As tmux, whose server detaches itself, gives each of its panes one."""
    if shutil.which("script") is None:
        pytest.skip("there is no script on this machine")
    terminal.type("script -q /dev/null\n")
    until(lambda: len(terminal.processes()) == 2 or None, "the inner shell")
    terminal.until(lambda _, working: not working, "the inner prompt")
    terminal.type("less /etc/passwd\n")
    terminal.until_waiting("less")
    terminal.type("q")
    until(lambda: len(terminal.processes()) == 2 or None, "the pager's end")
    terminal.type("sleep 1000\n")
    terminal.until_working("sleep")
