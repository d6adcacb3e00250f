"""A server's command: the hub's wishes, the machine's places, and no secret where others can read it."""

from datetime import timedelta

from bootstrap.worker.command import server_arguments, server_command
from bootstrap.worker.environment import ServerEnvironment
from bootstrap.worker.identity import Instance
from bootstrap.worker.settings import WorkerConfig

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
    )
    assert command.arguments == (*server_arguments("/venv/bin/python"), "--debug")
    assert command.directory == "/home/jovyan"
    assert command.environment == {
        "JUPYTERHUB_API_TOKEN": "secret",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/alice/",
        "JUPYTERHUB_SERVICE_URL": "http://127.77.1.4:8888/user/alice/",
        "JUPYTERHUB_ROOT_DIR": "/home/jovyan",
        "HOME": "/home/jovyan",
        "PATH": "/usr/bin",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "CLOUDJHUB_CLUSTER": "test",
        "CLOUDJHUB_INSTANCE_ID": "i-1",
        "CLOUDJHUB_REPORT_PERIOD": "60",
        "CLOUDJHUB_BOOT_PID": "42",
    }
    assert "secret" not in repr(command)
    assert not any("secret" in argument for argument in command.arguments)


def test_the_hub_may_choose_the_root_directory() -> None:
    given = ServerEnvironment({"JUPYTERHUB_ROOT_DIR": "/home/jovyan/work"}, ())
    command = server_command(
        given,
        python="python",
        machine=MACHINE,
        config=CONFIG,
        instance=Instance("i-1", "127.77.1.4"),
        boot_pid=1,
    )
    assert command.environment["JUPYTERHUB_ROOT_DIR"] == "/home/jovyan/work"
