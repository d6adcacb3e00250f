"""A server's command: the hub's wishes, the machine's places, and no secret where others can read it."""

import json
from datetime import timedelta

import pytest
from jupyter_server.services.contents.manager import ContentsManager

from bootstrap.worker.environment import Instance, ServerEnvironment
from bootstrap.worker.server import JUPYTER_CONFIG, server_arguments, server_command
from bootstrap.worker.settings import WorkerConfig
from bootstrap.worker.space import Extra

CONFIG = WorkerConfig(
    cluster="test",
    hub_api="http://127.77.0.10:8081/hub/api",
    hub_name="hub.test",
    region="eu-west-1",
    report_period=timedelta(seconds=60),
    port=8888,
)
GIVEN = ServerEnvironment(
    {
        "JUPYTERHUB_API_TOKEN": "secret",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/alice/",
        "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:1/",
        "PATH": "/the/hubs",
        "HOME": "/the/hubs",
    },
    ("--debug",),
)
MACHINE = {"HOME": "/home/jovyan", "PATH": "/usr/bin"}


def test_the_servers_command_as_a_whole() -> None:
    command = server_command(
        GIVEN,
        python="/venv/bin/python",
        machine=MACHINE,
        config=CONFIG,
        instance=Instance("i-1", "127.77.1.4"),
        boot_pid=42,
        as_root=False,
        extra=Extra({"JUPYTER_RUNTIME_DIR": "/run/w"}, ("--an.argument=1",)),
    )
    assert command.arguments == (
        *server_arguments("/venv/bin/python", as_root=False),
        "--an.argument=1",
        "--debug",
    )
    assert command.directory == "/home/jovyan"
    assert command.environment == {
        "JUPYTERHUB_API_TOKEN": "secret",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/alice/",
        "JUPYTERHUB_SERVICE_URL": "http://127.77.1.4:8888/user/alice/",
        "JUPYTERHUB_ROOT_DIR": "/home/jovyan",
        "JUPYTER_CONFIG_PATH": str(JUPYTER_CONFIG),
        "JUPYTER_RUNTIME_DIR": "/run/w",
        "HOME": "/home/jovyan",
        "PATH": "/usr/bin:/home/jovyan/.local/bin",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "CLOUDJHUB_CLUSTER": "test",
        "CLOUDJHUB_INSTANCE_ID": "i-1",
        "CLOUDJHUB_REPORT_PERIOD": "60",
        "CLOUDJHUB_BOOT_PID": "42",
    }
    assert "secret" not in repr(command)
    assert not any("secret" in argument for argument in command.arguments)


@pytest.mark.parametrize("as_root", [True, False])
def test_a_machine_that_runs_it_as_root_lets_it_start(as_root: bool) -> None:
    assert ("--allow-root" in server_arguments("python", as_root=as_root)) is as_root


def test_jupyterlab_does_not_ask_for_news() -> None:
    settings = json.loads((JUPYTER_CONFIG / "labconfig" / "page_config.json").read_text())
    assert settings["disabledExtensions"]["@jupyterlab/apputils-extension:announcements"]


def test_the_hub_may_choose_the_root_directory() -> None:
    given = ServerEnvironment({"JUPYTERHUB_ROOT_DIR": "/home/jovyan/work"}, ())
    command = server_command(
        given,
        python="python",
        machine=MACHINE,
        config=CONFIG,
        instance=Instance("i-1", "127.77.1.4"),
        boot_pid=1,
        as_root=False,
        extra=Extra(),
    )
    assert command.environment["JUPYTERHUB_ROOT_DIR"] == "/home/jovyan/work"


def test_the_file_browser_hides_what_a_disk_has_of_its_own_beside_what_jupyter_hides() -> None:
    settings = json.loads((JUPYTER_CONFIG / "jupyter_server_config.json").read_text())
    usual = ContentsManager.class_traits()["hide_globs"].default()
    assert settings == {"ContentsManager": {"hide_globs": [*usual, "lost+found"]}}
