"""The command line and environment of a single-user server. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .environment import ServerEnvironment
from .identity import Instance
from .settings import ReporterSettings, WorkerConfig

JUPYTER_CONFIG = Path(__file__).parent / "jupyter"
REPORTER_EXTENSION = "bootstrap.worker.activity"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, where, and with which environment. The environment holds the server's token: never logged."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str

    def __repr__(self) -> str:
        return f"Command({' '.join(self.arguments)!r} in {self.directory!r})"


def server_command(
    given: ServerEnvironment,
    *,
    python: str,
    machine: Mapping[str, str],
    config: WorkerConfig,
    instance: Instance,
    boot_pid: int,
    as_root: bool,
) -> Command:
    """The server's command. What the machine knows better than the hub (paths, its own address) wins."""
    told = ReporterSettings(
        cluster=config.cluster,
        instance_id=instance.instance_id,
        report_period=config.report_period,
        boot_pid=boot_pid,
    )
    home = machine["HOME"]
    prefix = given.variables.get("JUPYTERHUB_SERVICE_PREFIX", "/")
    environment = {
        "JUPYTERHUB_ROOT_DIR": home,
        # JupyterLab's own settings for every user: it is not to ask whether it may fetch news from the internet.
        "JUPYTER_CONFIG_PATH": str(JUPYTER_CONFIG),
        **given.variables,
        **machine,
        # Programs of the packages that the user has installed: last, so that none stands in for one of the image.
        "PATH": f"{machine['PATH']}:{home}/.local/bin",
        **told.to_environment(),
        "AWS_DEFAULT_REGION": config.region,
        # jupyterhub-singleuser takes the address it listens on from here.
        "JUPYTERHUB_SERVICE_URL": f"http://{instance.address}:{config.port}{prefix}",
    }
    return Command((*server_arguments(python, as_root=as_root), *given.arguments), environment, home)


def server_arguments(python: str, *, as_root: bool) -> Sequence[str]:
    """The server's own arguments, without any that the hub adds."""
    return (
        python,
        "-P",  # the user's home is the working directory: no file in it may stand in for a module of the server
        "-s",  # nor a package that the user has installed; kernels, started without this, have those
        "-m",
        "jupyterhub.singleuser",
        f"--ServerApp.jpserver_extensions={REPORTER_EXTENSION}=True",
        # A worker needs no internet.
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        # The image runs us as the notebook's user. Where a machine's owner runs us as root, the server is to start.
        *(["--allow-root"] if as_root else []),
    )
