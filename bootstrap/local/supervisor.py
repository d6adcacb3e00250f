"""Starts the emulated AWS, builds the cluster in it as `cloudjhub up` does, and ends everything in order."""

import json
import logging
import os
import socket
import sys
import threading
from dataclasses import dataclass, field
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
from bootstrap.local import cluster, environment, processes, programs
from bootstrap.local.cloud.hypervisor.manager import HELD
from bootstrap.local.settings import LocalSettings, hold_ipv6, is_free, listening, save_addresses
from bootstrap.machines.manager_request import ROLE_MANAGER
from bootstrap.operations import policies
from lifecycle_app.contract import CLUSTER_SCOPE, utc_now

logger = logging.getLogger(__name__)

WATCH_EVERY = 0.5
# Seconds until a part is killed. The cloud process, which ends the instances and saves its state, goes first: the
# emulator takes its events.
ENDING = {"cloud": 30.0, "events": 10.0}
ENDS_WITHIN = sum(ENDING.values()) + 2 * processes.GRACE


@dataclass(slots=True)
class Supervisor:
    """One running local cloud."""

    settings: LocalSettings
    console: Console
    _parts: dict[str, processes.Part] = field(init=False, default_factory=dict)
    _sweeps: bool = field(init=False, default=True)
    _held: socket.socket | None = field(init=False, default=None)

    def up(self) -> None:
        """Bring everything up, or raise and leave nothing running."""
        claim(self.settings)
        try:
            self._held = hold_ipv6(self.settings.port)
            self._start()
        except BaseException:
            self.down()
            raise

    def _start(self) -> None:
        settings = self.settings
        programs.install(self._report)
        self._report("starting the emulated AWS: EC2, DynamoDB, Lambda, EventBridge and the others")
        self._parts["cloud"] = start_cloud(settings)
        self._parts["events"] = start_events(settings)
        await_healthy(settings, self._parts["cloud"], f"{settings.cloud_url}/_cloud/health")
        await_healthy(settings, self._parts["events"], f"{settings.events_url}/_ministack/health")
        if settings.with_cluster:
            self._build()
        write_running(settings, ready=True)

    def _build(self) -> None:
        """With the code that builds a cluster on AWS. The policy of this run replaces that of an earlier one."""
        self._report(
            "building the cluster: network, tables, roles, worker image, lifecycle functions, manager"
        )
        site = site_of(cluster.write(self.settings))
        building.build(site, StepReporter(None, self.console))
        before = policies.texts(site).get(CLUSTER_SCOPE)
        policies.write(site, CLUSTER_SCOPE, before, self.settings.policy_document(), utc_now())

    def watch(self, until: threading.Event) -> None:
        """Apply the faults to hub and sweep until the event is set. Raises StepFailed when a part ends."""
        while not until.wait(WATCH_EVERY):
            for name in ENDING:
                if not self._parts[name].is_running:
                    log = self.settings.log(name)
                    raise StepFailed(
                        f"the {name} process ended unexpectedly, see {log}:\n{processes.tail(log)}"
                    )
            faults = environment.state(self.settings)["faults"]
            self._apply_hub_fault(down="hub-down" in faults)
            self._apply_sweep_fault(off="sweep-off" in faults)

    def _apply_hub_fault(self, *, down: bool) -> None:
        """The manager's machine checks for a file on its state disk."""
        for manager in environment.instances_of(self.settings, ROLE_MANAGER):
            held = self.settings.home(manager["instance_id"]) / HELD
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

    def _report(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)

    def down(self) -> None:
        """End every part in order, and what they left."""
        for name, grace in ENDING.items():
            part = self._parts.pop(name, None)
            if part is not None:
                self._report(f"stopping {name}")
                part.end(grace=grace)
        processes.end_leftovers(self.settings.state_dir)
        if self._held is not None:
            self._held.close()
        running_file(self.settings.state_dir).unlink(missing_ok=True)


def running_file(state_dir: Path) -> Path:
    """The file with the settings of a running local cloud and its supervisor's process id."""
    return state_dir / "running.json"


def refuse_second(state_dir: Path) -> None:
    """AlreadyRunning where a local cloud runs in this state directory."""
    supervisor = running_supervisor(state_dir)
    if supervisor is not None:
        raise AlreadyRunning(
            f"a local cloud runs in {state_dir} already (process {supervisor.pid}): "
            "use it, or end it with `cloudjhub local down`, or take another --state-dir"
        )


def claim(settings: LocalSettings) -> None:
    """Take the state directory: no other run in it, nothing left of an earlier one, every address free."""
    refuse_second(settings.state_dir)
    for folder in ("log", "tmp"):
        (settings.state_dir / folder).mkdir(parents=True, exist_ok=True)
    processes.end_leftovers(settings.state_dir)
    check_ports_free(settings)
    save_addresses(settings)
    write_running(settings, ready=False)


def check_ports_free(settings: LocalSettings) -> None:
    """Raises PortInUse where another program listens on an address that a part or a worker needs."""
    advice_for_parts = "end the program that uses it"
    # EC2 keeps the first addresses of a subnet for itself, so that no worker has this one.
    [workers, *_] = subnet_ranges(settings.vpc, len(settings.zones)).workers
    needed = (
        ("127.0.0.1", settings.port, "choose another with --port"),
        *((address, port, advice_for_parts) for address, port in listening(settings.network)),
        (
            str(workers[1]),
            WORKER_PORT,
            "workers listen there; end the program that listens on every address (`jupyter lab --ip 0.0.0.0`?)",
        ),
    )
    for address, port, advice in needed:
        if not is_free(address, port):
            raise PortInUse(f"port {port} on {address} is in use: {advice}")


def write_running(settings: LocalSettings, *, ready: bool) -> None:
    """Let other commands know that this local cloud runs, where, and whether everything is up."""
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
    """The live supervisor of this state directory; not a process that merely got the same id."""
    try:
        running = json.loads(running_file(state_dir).read_text())
        process = psutil.Process(running["pid"])
        return process if abs(process.create_time() - running["started"]) < 1 else None
    except (FileNotFoundError, psutil.NoSuchProcess, ValueError, KeyError):
        return None


READY_WITHIN = 90.0
POLL_EVERY = 0.1


def start_cloud(settings: LocalSettings) -> processes.Part:
    """EC2, DynamoDB and the like, with the hypervisor."""
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
        **environment.inherited_variables(),
        **environment.endpoints(settings),
        "CLOUDJHUB_LOCAL_SECRET": environment.operator_secret(settings.state_dir),
    }
    return processes.start("cloud", command, variables, settings.log("cloud"), settings.state_dir)


def start_events(settings: LocalSettings) -> processes.Part:
    """Lambda and EventBridge."""
    command = [programs.ministack(), "-P", str(Path(__file__).with_name("emulate_lambda.py"))]
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
