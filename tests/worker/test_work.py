"""Programs that run on are work; prompts, wrappers, helpers and suspended jobs are not."""

from datetime import UTC, datetime

import pytest

from bootstrap.worker.facts import Facts, Process
from bootstrap.worker.observation import Job, is_work, jobs

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
BOOT, SERVER, SHELL = 10, 20, 30


def process(pid: int, parent: int, name: str, *arguments: str, stopped: bool = False) -> Process:
    return Process(pid=pid, parent=parent, name=name, arguments=(name, *arguments), stopped=stopped)


MACHINE = (
    process(BOOT, 1, "python"),
    process(SERVER, BOOT, "jupyterhub-singl"),
    process(21, SERVER, "python", "-m", "ipykernel_launcher"),
    process(22, SERVER, "node", "language-server"),
    process(SHELL, SERVER, "bash", "-l"),
)


def found(*more: Process, root: int = BOOT) -> list[Job]:
    return jobs(Facts(at=AT, root=root, server=SERVER, processes=MACHINE + more, terminals={"1": SHELL}))


@pytest.mark.parametrize(
    ("name", "arguments", "works"),
    [
        ("sleep", ("100",), True),
        ("vim", ("notes.txt",), True),
        ("bash", (), False),
        ("bash", ("-l",), False),
        ("zsh", ("-i",), False),
        ("bash", ("train.sh",), True),
        ("bash", ("-c", "sleep 1; sleep 1"), True),
        ("sh", ("./train.sh", "-v"), True),
        ("tmux: server", ("new",), False),
        ("sudo", ("make",), False),
        ("ssh-agent", ("-s",), False),
        ("python3", ("-c", "from multiprocessing.resource_tracker import main;main(5)"), False),
        ("python3", ("train.py",), True),
    ],
)
def test_a_process_is_work_if_it_does_something_by_itself(
    name: str, arguments: tuple[str, ...], works: bool
) -> None:
    assert is_work(process(40, SHELL, name, *arguments)) is works


def test_a_suspended_program_is_not_work() -> None:
    assert not is_work(process(40, SHELL, "vim", "notes.txt", stopped=True))


def test_a_prompt_server_kernels_and_their_helpers_are_not_work() -> None:
    assert found() == []


def test_a_terminal_with_a_running_child_is_work() -> None:
    assert found(process(40, SHELL, "sleep", "100")) == [Job("1", ("sleep",))]


def test_a_child_behind_an_inner_prompt_counts_but_the_inner_prompt_does_not() -> None:
    inner = process(40, SHELL, "bash")
    assert found(inner) == []
    assert found(inner, process(41, 40, "make"), process(42, 41, "cc")) == [Job("1", ("make", "cc"))]


def test_what_detached_itself_to_the_boot_client_is_work_of_no_terminal() -> None:
    assert found(process(40, BOOT, "sleep", "100")) == [Job(None, ("sleep",))]


def test_each_detached_job_counts_with_all_its_processes() -> None:
    tmux = (
        process(40, BOOT, "tmux: server"),
        process(41, 40, "bash"),
        process(42, 41, "python3", "train.py"),
    )
    assert found(*tmux[:2]) == []
    assert found(*tmux, process(50, BOOT, "rsync")) == [Job(None, ("python3",)), Job(None, ("rsync",))]


def test_without_a_boot_client_only_terminals_are_looked_at() -> None:
    assert found(process(40, 21, "sleep", "1"), process(41, SHELL, "sleep", "2"), root=SERVER) == [
        Job("1", ("sleep",))
    ]


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (Job("1", ("make", "cc")), "terminal 1 runs make, cc"),
        (Job(None, ("rsync",)), "rsync runs detached"),
        (Job("2", ("a", "b", "c", "d")), "terminal 2 runs a, b, c, …"),
    ],
)
def test_a_job_is_described_in_words(job: Job, words: str) -> None:
    assert str(job) == words
