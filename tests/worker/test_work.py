"""Programs that run on are work; prompts, wrappers, helpers, suspended jobs and what waits for a person are not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bootstrap.worker.facts import Awaited, Facts
from bootstrap.worker.proc import Process
from bootstrap.worker.work import (
    LONGEST_NAME,
    Job,
    Place,
    candidates,
    is_program,
    is_waiting,
    jobs,
    plain,
    waits_of,
)

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
PERIOD = timedelta(seconds=30)
BOOT, SERVER, SHELL, KERNEL, JOB = 10, 20, 30, 21, 23
KEYBOARD, RELATIVE, OTHER = (frozenset({one}) for one in (Awaited.KEYBOARD, Awaited.RELATIVE, Awaited.OTHER))
CONNECTION_FILE = "/home/jovyan/.local/share/jupyter/runtime/kernel-ab12cd34-5678.json"


def process(pid: int, parent: int, name: str, *arguments: str, state: str = "S", cpu: float = 0) -> Process:
    return Process(
        pid=pid,
        parent=parent,
        name=name,
        arguments=(name, *arguments),
        state=state,
        cpu=timedelta(seconds=cpu),
    )


MACHINE = (
    process(BOOT, 1, "python"),
    process(SERVER, BOOT, "jupyterhub-singl"),
    process(KERNEL, SERVER, "python", "-m", "ipykernel_launcher", "-f", CONNECTION_FILE),
    process(22, SERVER, "node", "language-server"),
    process(24, 22, "node", "worker-of-the-language-server"),
    process(SHELL, SERVER, "bash", "-l"),
)


def facts(*more: Process, root: int = BOOT, waits: dict[int, frozenset[Awaited]] | None = None) -> Facts:
    return Facts(
        at=AT,
        root=root,
        server=SERVER,
        processes=MACHINE + more,
        terminals={"1": SHELL},
        waits=waits or {},
    )


def found(*more: Process, root: int = BOOT, waits: dict[int, frozenset[Awaited]] | None = None) -> list[Job]:
    now = facts(*more, root=root, waits=waits)
    return jobs(now, replace(now, at=AT - PERIOD))


def terminal(*programs: str) -> list[Job]:
    return [Job(Place.TERMINAL, "1", programs)]


def detached(*programs: str) -> Job:
    return Job(Place.DETACHED, "", programs)


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
        ("zellij", ("--server", "/tmp/s"), False),
        ("sudo", ("make",), False),
        ("ssh-agent", ("-s",), False),
        ("python3", ("-c", "from multiprocessing.resource_tracker import main;main(5)"), False),
        ("python3", ("/opt/site-packages/debugpy/adapter", "--for-server", "4711"), False),
        ("python3", ("train.py",), True),
    ],
)
def test_a_process_is_a_program_if_it_does_something_by_itself(
    name: str, arguments: tuple[str, ...], works: bool
) -> None:
    assert is_program(process(40, SHELL, name, *arguments)) is works


def test_a_helper_of_a_prompt_is_known_by_the_name_that_its_prompt_gave_it() -> None:
    helper = replace(process(40, BOOT, "sleep"), arguments=("gitstatusd-linux-x86_64", "2147483"))
    assert found(helper) == []


@pytest.mark.parametrize("state", ["T", "t"])
def test_a_suspended_program_is_not_work(state: str) -> None:
    assert not is_program(process(40, SHELL, "vim", "notes.txt", state=state))


def test_a_prompt_server_kernels_and_their_helpers_are_not_work() -> None:
    assert found() == []


def test_a_terminal_with_a_running_child_is_work() -> None:
    assert found(process(40, SHELL, "sleep", "100")) == terminal("sleep")


def test_a_program_that_replaced_its_terminals_shell_is_work() -> None:
    """As ``exec python train.py`` does."""
    now = facts()
    train = process(SHELL, SERVER, "python", "train.py")
    now = replace(now, processes=(*now.processes[:-1], train))
    assert jobs(now, now) == terminal("python")


def test_a_child_behind_an_inner_prompt_counts_but_the_inner_prompt_does_not() -> None:
    inner = process(40, SHELL, "bash")
    assert found(inner) == []
    assert found(inner, process(41, 40, "make"), process(42, 41, "cc")) == terminal("make", "cc")


def test_what_detached_itself_to_the_boot_client_is_work_of_no_terminal() -> None:
    assert found(process(40, BOOT, "sleep", "100")) == [detached("sleep")]


def test_each_detached_job_counts_with_all_its_processes() -> None:
    tmux = (
        process(40, BOOT, "tmux: server"),
        process(41, 40, "bash"),
        process(42, 41, "python3", "train.py"),
    )
    assert found(*tmux[:2]) == []
    assert found(*tmux, process(50, BOOT, "rsync")) == [detached("python3"), detached("rsync")]


def test_without_a_boot_client_nothing_counts_as_detached() -> None:
    assert found(process(40, BOOT, "sleep", "1"), process(41, SHELL, "sleep", "2"), root=SERVER) == terminal(
        "sleep"
    )


@pytest.mark.parametrize(
    ("awaited", "cpu_percent", "waiting"),
    [
        (KEYBOARD, 0, True),
        (KEYBOARD, 4.9, True),
        (KEYBOARD, 5, False),
        (KEYBOARD | {Awaited.ITSELF}, 0, True),
        (KEYBOARD | OTHER, 0, False),
        (frozenset({Awaited.INSIDE}), 0, True),
        (frozenset({Awaited.CHILDREN}), 0, True),
        (RELATIVE, 0, True),
        (frozenset({Awaited.ITSELF}), 0, False),
        (OTHER, 0, False),
        (frozenset(), 0, False),
    ],
)
def test_a_program_waits_if_only_a_person_or_its_relatives_can_wake_it(
    awaited: frozenset[Awaited], cpu_percent: float, waiting: bool
) -> None:
    assert is_waiting(awaited, cpu_percent) is waiting


def test_a_program_at_its_prompt_is_not_work_but_what_it_started_is() -> None:
    prompt, child = process(40, SHELL, "python3"), process(41, 40, "sleep", "100")
    assert found(prompt) == terminal("python3"), "unknown what it waits for"
    assert found(prompt, waits={40: KEYBOARD}) == []
    assert found(prompt, child, waits={40: KEYBOARD, 41: OTHER}) == terminal("sleep")


def test_a_pipeline_of_which_every_part_waits_for_a_person_or_each_other_is_not_work() -> None:
    log, pager = process(40, SHELL, "git", "log"), process(41, 40, "less")
    assert found(log, pager, waits={40: RELATIVE, 41: KEYBOARD}) == []


def test_a_prompt_that_used_cpu_since_the_last_check_worked() -> None:
    now = facts(process(40, SHELL, "python3", cpu=12), waits={40: KEYBOARD})
    before = replace(
        facts(process(40, SHELL, "python3", cpu=2), waits={40: KEYBOARD}), at=AT - timedelta(seconds=30)
    )
    assert jobs(now, before) == terminal("python3")
    assert jobs(now, replace(now, at=before.at)) == []


def test_cpu_of_an_earlier_process_with_the_same_number_is_not_subtracted() -> None:
    now = facts(process(40, SHELL, "python3", cpu=12), waits={40: KEYBOARD})
    earlier = replace(process(40, SHELL, "python3", cpu=12), started=-1)
    assert jobs(now, replace(facts(earlier), at=AT - PERIOD)) == terminal("python3")


def test_what_a_kernel_started_is_work_also_when_the_cell_has_ended() -> None:
    started = Job(Place.KERNEL, "ab12cd34", ("python3",))
    assert found(process(40, KERNEL, "python3", "upload.py")) == [started]
    assert found(process(40, KERNEL, "python3", "upload.py"), root=SERVER) == [started]


def test_a_kernels_helpers_and_idle_pool_are_not_work() -> None:
    tracker = process(40, KERNEL, "python", "-c", "from multiprocessing.resource_tracker import main;main(5)")
    pool = process(41, KERNEL, "python", "-c", "spawn_main()")
    assert found(tracker, pool, waits={41: RELATIVE}) == []


def test_a_kernel_behind_a_program_that_only_starts_it_is_not_its_own_child() -> None:
    """As with ``conda run``: the server's child waits for a shell, which waits for the kernel."""
    conda = process(25, SERVER, "python", "conda", "run", "python", "-f", CONNECTION_FILE)
    shell = process(26, 25, "bash", "/tmp/tmpab")
    kernel = process(27, 26, "python", "-f", CONNECTION_FILE)
    assert found(conda, shell, kernel) == []
    assert found(conda, shell, kernel, process(40, 27, "wget")) == [Job(Place.KERNEL, "ab12cd34", ("wget",))]


NOTEBOOK_KERNEL = ("-m", "ipykernel_launcher", "-f", "/tmp/tmpk3j_x0ab.json")


def test_a_notebook_that_the_server_runs_is_work_and_its_other_children_are_not() -> None:
    """As jupyter-scheduler does: a child of the server with a kernel of its own."""
    job = process(JOB, SERVER, "python", "-c", "from multiprocessing.spawn import spawn_main", "--fork")
    kernel = process(40, JOB, "python", *NOTEBOOK_KERNEL)
    assert found(job) == []
    assert found(job, kernel) == [Job(Place.NOTEBOOK, "", ("python",))]
    assert found(process(JOB, SERVER, "papermill", "papermill", "in.ipynb", "out.ipynb")) == [
        Job(Place.NOTEBOOK, "", ("papermill",))
    ]


def test_a_console_at_its_prompt_is_not_work_and_neither_is_its_idle_kernel() -> None:
    console, kernel = process(40, SHELL, "jupyter-console"), process(41, 40, "python", *NOTEBOOK_KERNEL)
    assert found(console, kernel) == terminal("jupyter-console")
    assert found(console, kernel, waits={40: KEYBOARD}) == []


def test_a_kernel_that_was_started_from_a_prompt_is_work() -> None:
    """Its front ends are somewhere else: only it can say whether it is busy."""
    assert found(process(41, SHELL, "python", *NOTEBOOK_KERNEL)) == terminal("python")


def test_only_sleeping_programs_that_may_be_work_are_looked_at_closely() -> None:
    now = facts(
        process(40, SHELL, "sleep"),
        process(41, SHELL, "python", state="R"),
        process(42, SHELL, "vim", state="T"),
        process(43, SHELL, "bash"),
        process(44, 22, "node"),
        process(45, KERNEL, "wget"),
        process(46, BOOT, "rsync"),
        process(47, BOOT, "gpg-agent"),
    )
    assert candidates(now) == [40, 45, 46]


def test_a_program_that_runs_just_now_is_taken_for_what_it_was_at_the_last_check() -> None:
    """A monitor refreshes its screen at some of the checks; one that goes on uses CPU."""
    before = facts(process(40, SHELL, "top"), process(41, SHELL, "htop"), waits={40: KEYBOARD, 41: KEYBOARD})
    runs, wakes = process(40, SHELL, "top", state="R"), process(41, SHELL, "htop")
    assert waits_of((runs, wakes), {41: frozenset()}, before) == {40: KEYBOARD, 41: KEYBOARD}
    assert waits_of((runs, wakes), {41: OTHER}, before) == {40: KEYBOARD, 41: OTHER}
    assert waits_of((process(40, SHELL, "top", state="D"),), {}, before) == {}, "it works with a disk"
    assert waits_of((replace(runs, started=7),), {}, before) == {}, "another process"
    assert waits_of((runs,), {}, None) == {}


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (Job(Place.TERMINAL, "1", ("make", "cc")), "terminal 1 runs make, cc"),
        (Job(Place.KERNEL, "ab12cd34", ("wget",)), "wget runs, started by kernel ab12cd34"),
        (Job(Place.NOTEBOOK, "", ("python",)), "a notebook runs without a browser: python"),
        (Job(Place.DETACHED, "", ("rsync",)), "rsync runs detached"),
        (Job(Place.TERMINAL, "2", ("a", "b", "c", "d")), "terminal 2 runs a, b, c, …"),
    ],
)
def test_a_job_is_described_in_words(job: Job, words: str) -> None:
    assert str(job) == words


def test_names_that_users_choose_are_bounded_and_plain() -> None:
    name = "\x1b[31m\u202eevil\n" + "x" * 1000
    (job,) = found(process(40, SHELL, name))
    assert job.programs == ("[31mevil" + "x" * (LONGEST_NAME - 9) + "…",)
    assert plain("a\tb\x00c") == "abc"
