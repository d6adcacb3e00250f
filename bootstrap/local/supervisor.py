"""Starts the emulated AWS, builds the cluster in it as `cloudjhub up` does, and ends everything in order."""

import json
import logging
import os
import sys
import threading
from pathlib import Path

import boto3
import psutil
from rich.console import Console

from bootstrap.aws.waiting import polls
from bootstrap.cli.options import site_of
from bootstrap.cli.progress import StepReporter
from bootstrap.cluster import building
from bootstrap.cluster.templates.network import WORKER_PORT, subnet_ranges
from bootstrap.errors import AlreadyRunning, PortInUse, StepFailed
from bootstrap.local import cluster, environment, processes
from bootstrap.local.cloud.hypervisor.manager import HELD
from bootstrap.local.settings import LocalSettings, is_free, listening, remember
from bootstrap.machines.manager_request import ROLE_MANAGER
from bootstrap.operations import policies
from lifecycle_app.contract import CLUSTER_SCOPE

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.5
# The machine room, which ends the instances and saves what it knows, before the emulator that takes its events.
# Seconds until a part is killed.
ENDING = {"cloud": 30.0, "events": 10.0}
ENDS_WITHIN = sum(ENDING.values()) + 2 * processes.GRACE


class Supervisor:
    """One running local cloud."""

    def __init__(self, settings: LocalSettings, console: Console) -> None:
        self._settings = settings
        self._console = console
        self._parts: dict[str, processes.Part] = {}
        self._sweeps = True

    def up(self) -> None:
        """Bring everything up, or raise and leave nothing running."""
        claim(self._settings)
        try:
            self._start()
        except BaseException:
            self.down()
            raise

    def _start(self) -> None:
        settings = self._settings
        self._tell("starting EC2, DynamoDB and their like, and Lambda and EventBridge")
        self._parts["cloud"] = start_cloud(settings)
        self._parts["events"] = start_events(settings)
        await_healthy(settings, self._parts["cloud"], f"{settings.cloud_url}/_cloud/health")
        await_healthy(settings, self._parts["events"], f"{settings.events_url}/_ministack/health")
        if settings.with_cluster:
            self._build()
        write_running(settings, ready=True)

    def _build(self) -> None:
        """By the code that builds a cluster on AWS. The policy is this run's, whatever the last one's was."""
        self._tell("building the cluster: network, tables, roles, worker image, lifecycle functions, manager")
        site = site_of(cluster.write(self._settings))
        building.build(site, StepReporter(None, self._console))
        before = policies.texts(site).get(CLUSTER_SCOPE)
        policies.write(site, CLUSTER_SCOPE, before, self._settings.policy_document())

    def watch(self, until: threading.Event) -> None:
        """Keep the hub as the faults say, until told; StepFailed when another part ends."""
        while not until.wait(LOOK_EVERY):
            for name in ENDING:
                if not self._parts[name].is_running:
                    log = self._settings.log(name)
                    raise StepFailed(f"the {name} ended by itself, see {log}:\n{processes.tail(log)}")
            faults = environment.state(self._settings)["faults"]
            self._apply_hub_fault(down="hub-down" in faults)
            self._apply_sweep_fault(off="sweep-off" in faults)

    def _apply_hub_fault(self, *, down: bool) -> None:
        """The manager's machine looks for a file on its state disk."""
        for manager in environment.instances_of(self._settings, ROLE_MANAGER):
            held = self._settings.home(manager["instance_id"]) / HELD
            if down:
                held.touch()
            else:
                held.unlink(missing_ok=True)

    def _apply_sweep_fault(self, *, off: bool) -> None:
        if off != self._sweeps:
            return
        events = boto3.client("events")
        for rule in events.list_rules()["Rules"]:
            if "sweep" in rule["Name"]:
                change = events.disable_rule if off else events.enable_rule
                change(Name=rule["Name"])
        self._sweeps = not off

    def _tell(self, words: str) -> None:
        self._console.print(words, markup=False, highlight=False)

    def down(self) -> None:
        """End every part in order, and what they left."""
        for name, grace in ENDING.items():
            part = self._parts.pop(name, None)
            if part is not None:
                self._tell(f"ending the {name}")
                part.end(grace=grace)
        processes.end_leftovers(self._settings.state_dir)
        running_file(self._settings.state_dir).unlink(missing_ok=True)


def running_file(state_dir: Path) -> Path:
    """Where a running local cloud tells its settings and its supervisor's process id."""
    return state_dir / "running.json"


def refuse_second(state_dir: Path) -> None:
    """AlreadyRunning where a local cloud runs in this state directory."""
    supervisor = running_supervisor(state_dir)
    if supervisor is not None:
        raise AlreadyRunning(
            f"a local cloud runs in {state_dir} already (process {supervisor.pid}): "
            "use it, or end it with `make local-down`, or take another --state-dir"
        )


def claim(settings: LocalSettings) -> None:
    """Make the state directory ours: no other run in it, no leftovers, every address free."""
    refuse_second(settings.state_dir)
    for folder in ("log", "tmp"):
        (settings.state_dir / folder).mkdir(parents=True, exist_ok=True)
    processes.end_leftovers(settings.state_dir)
    refuse_taken(settings)
    remember(settings)
    write_running(settings, ready=False)


def refuse_taken(settings: LocalSettings) -> None:
    """PortInUse where somebody else listens on an address that a part or a worker needs."""
    mend = "end the program that uses it"
    # EC2 keeps the first addresses of a subnet for itself, so that no worker has this one.
    [workers, *_] = subnet_ranges(settings.vpc, len(settings.zones)).workers
    needed = (
        ("127.0.0.1", settings.port, "choose another with --port"),
        *((address, port, mend) for address, port in listening(settings.network)),
        (
            str(workers[1]),
            WORKER_PORT,
            "workers listen there; end the program that has it on every address (`jupyter lab --ip 0.0.0.0`?)",
        ),
    )
    for address, port, advice in needed:
        if not is_free(address, port):
            raise PortInUse(f"port {port} on {address} is in use: {advice}")


def write_running(settings: LocalSettings, *, ready: bool) -> None:
    """Tell other commands that this local cloud runs, where, and whether everything is up."""
    me = psutil.Process(os.getpid())
    running_file(settings.state_dir).write_text(
        json.dumps(
            {
                "ready": ready,
                "pid": me.pid,
                "started": me.create_time(),
                "port": settings.port,
                "network": settings.network,
                "cluster": settings.cluster,
                "idle_timeout": settings.idle_timeout.total_seconds(),
                "with_cluster": settings.with_cluster,
            }
        )
    )


def running_supervisor(state_dir: Path) -> psutil.Process | None:
    """The live supervisor of this state directory; a process that merely got its id again is none."""
    try:
        told = json.loads(running_file(state_dir).read_text())
        process = psutil.Process(told["pid"])
        return process if abs(process.create_time() - told["started"]) < 1 else None
    except (FileNotFoundError, psutil.NoSuchProcess, ValueError, KeyError):
        return None


READY_WITHIN = 90.0
POLL_EVERY = 0.1


def start_cloud(settings: LocalSettings) -> processes.Part:
    """EC2, DynamoDB and their like, with the machine room."""
    seconds = {
        "boot-time": settings.boot_time,
        "stop-time": settings.stop_time,
        "metrics-period": settings.report_period,
    }
    command = [
        sys.executable, "-m", "bootstrap.local.cloud",
        "--address", settings.cloud_address, "--state-dir", str(settings.state_dir),
        "--events-endpoint", settings.events_url,
    ]  # fmt: skip
    for name, value in seconds.items():
        command += [f"--{name}", str(value.total_seconds())]
    variables = {
        **environment.surroundings(),
        **environment.endpoints(settings),
        "CLOUDJHUB_LOCAL_SECRET": environment.operator_secret(settings.state_dir),
    }
    return processes.start("cloud", command, variables, settings.log("cloud"), settings.state_dir)


def start_events(settings: LocalSettings) -> processes.Part:
    """Lambda and EventBridge."""
    command = [processes.ministack(), "-P", str(Path(__file__).with_name("emulate_lambda.py"))]
    return processes.start(
        "events", command, environment.emulated_lambda(settings), settings.log("events"), settings.state_dir
    )


def await_healthy(settings: LocalSettings, part: processes.Part, url: str) -> None:
    """Return when the part answers its health check. Raises StepFailed with the end of its log."""
    log = settings.log(part.name)
    for _ in polls(READY_WITHIN, every=POLL_EVERY):
        if environment.is_healthy(settings, url):
            return
        if not part.is_running:
            raise StepFailed(f"the {part.name} process did not start, see {log}:\n{processes.tail(log)}")
    raise StepFailed(
        f"the {part.name} process did not answer within {READY_WITHIN:.0f} s, see {log}:\n{processes.tail(log)}"
    )
