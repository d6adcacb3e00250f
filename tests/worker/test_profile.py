"""A user's own settings: a server starts whatever is in them, and they can be set aside without losing any."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bootstrap.worker.environment import parse
from bootstrap.worker.profile import (
    EXPLANATION,
    NOTE,
    README,
    extra_without,
    furnish,
    is_suspected,
    note_start,
    set_aside,
)
from bootstrap.worker.space import Extra
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE

from .conftest import CloudWatch
from .fake_hub import INSTANCE, SERVER_TOKEN, FakeHub, running
from .places import HUB_ADDRESS, WORKER_ADDRESS, Jupyter
from .test_boot import boot, launch_file

ASIDE = "set-aside-2026-11-30-114205"
USER_SITE = f".local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
# Each of these keeps jupyterhub-singleuser from starting, on its own.
FATAL = {
    ".jupyter/jupyter_server_config.py": "import sys; sys.exit(1)",
    ".jupyter/jupyter_server_config.json": '{"ServerApp": {"contents_manager_class": "gone.Manager"}}',
    "jupyter_server_config.py": 'c.ServerApp.certfile = "/home/me/mycert.pem"',
}
# With these it starts, but kernels or terminals do not.
HARMFUL = {
    f"{USER_SITE}/tornado/__init__.py": "raise ImportError('an old tornado')",
    f"{USER_SITE}/usercustomize.py": "raise SystemExit('usercustomize')",
    ".bashrc": "exit 1",
    ".local/share/jupyter/kernels/python3/kernel.json": '{"argv": [',
    ".local/share/jupyter/kernels/old/kernel.json": '{"argv": ["/home/me/old-venv/bin/python"], "language": "python"}',
    ".ipython/profile_default/startup/00.py": "raise SystemExit(3)",
    ".jupyter/lab/user-settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings": "{ not JSON",
}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(FakeHub(HUB_ADDRESS, WORKER_ADDRESS, [])) as hub:
        yield hub


def written(home: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def left(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_home_on_a_new_disk_gets_what_a_new_users_home_has(tmp_path: Path) -> None:
    """And no other: what its user deleted does not come back."""
    skeleton, home = tmp_path / "skel", tmp_path / "home"
    written(skeleton, {".bashrc": "alias ll='ls -l'", ".config/x": "1"})
    (home / "lost+found").mkdir(parents=True)
    furnish(home, skeleton)
    assert (home / ".bashrc").read_text() == "alias ll='ls -l'"
    assert (home / ".config/x").read_text() == "1"
    (home / ".bashrc").unlink()
    furnish(home, skeleton)
    assert not (home / ".bashrc").exists()
    on_root_disk = tmp_path / "other"
    on_root_disk.mkdir()
    for one in (on_root_disk, tmp_path / "gone"):
        furnish(one, skeleton)
    assert list(on_root_disk.iterdir()) == []


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize(
    ("files", "chosen"),
    [(FATAL | HARMFUL, ""), (FATAL | HARMFUL, ASIDE)],
    ids=["without a choice", "clean profile"],
)
async def test_server_starts_whatever_its_users_settings_are(
    files: dict[str, str], chosen: str, tmp_path: Path, hub: FakeHub, cloudwatch: CloudWatch
) -> None:
    home, log = tmp_path / "home", tmp_path / "console.log"
    written(home, files | {"work.txt": "mine"})
    hub.set_aside = chosen
    port = free_port(WORKER_ADDRESS)
    server = Jupyter(f"http://{WORKER_ADDRESS}:{port}/user/alice/", SERVER_TOKEN, home, INSTANCE)
    with log.open("wb") as output:
        process = boot(launch_file(tmp_path, hub, port), home, hub, cloudwatch.url, output)
    try:
        await server.answering(process, log)
        await server.kernel()
        assert hub.given == (1 if chosen else 3)
        assert (home / NOTE).exists() is not bool(chosen)
        kept = left(home / chosen)
        assert {name: kept[name] for name in files} == files, "nothing is lost or changed"
        assert (home / "work.txt").read_text() == "mine"
        if chosen:
            _, terminal = await server.terminal()
            terminal.close()
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_setting_aside_can_be_interrupted_and_repeated_and_overwrites_nothing(tmp_path: Path) -> None:
    written(tmp_path, FATAL | HARMFUL)
    written(tmp_path / ASIDE, {".jupyter/jupyter_server_config.py": "moved before the interruption"})
    (tmp_path / ".profile").symlink_to("/nowhere")
    assert set_aside(tmp_path, ASIDE)
    assert set_aside(tmp_path, ASIDE)
    assert (tmp_path / ASIDE / ".jupyter/jupyter_server_config.py").read_text().startswith("moved")
    assert (tmp_path / ".jupyter/jupyter_server_config.py").exists(), "its place is taken: it is left"
    assert (tmp_path / ASIDE / ".profile").is_symlink()
    assert left(tmp_path / ASIDE)[README] == EXPLANATION.format(directory=ASIDE)
    for name in HARMFUL:
        if not name.startswith(".jupyter/"):
            assert (tmp_path / ASIDE / name).read_text() == HARMFUL[name]
            assert not (tmp_path / name).exists()


def test_settings_that_cannot_be_moved_are_left_and_that_is_said(tmp_path: Path) -> None:
    """A file in the directory's place stands for a home without space, which a test as root cannot have."""
    written(tmp_path, {".bashrc": "exit 1", ASIDE: "a file of the user's"})
    assert not set_aside(tmp_path, ASIDE)
    assert left(tmp_path) == {".bashrc": "exit 1", ASIDE: "a file of the user's"}


@pytest.mark.parametrize(("crashes", "suspected"), [(0, False), (1, False), (2, True), (9, True)])
def test_settings_are_suspected_after_two_crashes_in_a_row(crashes: int, suspected: bool) -> None:
    assert is_suspected(crashes) is suspected


def test_note_is_there_while_the_server_runs_without_settings(tmp_path: Path) -> None:
    note_start(tmp_path, without_settings=True)
    assert (tmp_path / NOTE).exists()
    note_start(tmp_path, without_settings=False)
    assert not (tmp_path / NOTE).exists()
    note_start(tmp_path / "missing", without_settings=True)


def test_a_start_without_settings_keeps_what_a_full_home_needs(tmp_path: Path) -> None:
    full = Extra({"IPYTHONDIR": "/run/ipython", "JUPYTER_RUNTIME_DIR": "/run"}, ("--x",))
    both = full + extra_without(tmp_path)
    assert both.environment["JUPYTER_RUNTIME_DIR"] == "/run"
    assert both.environment["JUPYTER_CONFIG_DIR"] == str(tmp_path / "clean/config")
    assert (both.arguments, both.directory) == (("--x",), str(tmp_path / "clean"))


@pytest.mark.parametrize(
    "name",
    ["../x", "set-aside-2026-11-30-114205/..", "set-aside-2026-11-30-114205\n", "", 7, ["x"], {"a": 1}],
)
def test_directory_is_only_taken_as_the_hub_names_it(name: object) -> None:
    answer = {"env": {}, "args": [], "set_aside": name}
    if name == "":
        assert parse(answer).set_aside == ""
        return
    with pytest.raises(ValueError, match="set_aside"):
        parse(answer)
    assert parse(answer | {"set_aside": ASIDE}).set_aside == ASIDE
