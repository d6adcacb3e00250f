"""A manager in the local cloud: the proxy and the hub of the fetched bundle, restarted as systemd would restart them.

Programs are this machine's own; commands and environment are those of the manager's units. What the services print goes
to the console and, like the journal's entries on AWS, through `Shipper` to the log group.
"""

import logging
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.local import programs
from bootstrap.machines.fetch import TARGET, DamagedError, fetch
from bootstrap.machines.manager import secrets
from bootstrap.machines.manager.config import CONFIG_PATH, ManagerConfig
from bootstrap.machines.manager.journal import AUDITED, WAITING, Entry, Shipper, batches, entry_of
from bootstrap.machines.manager.services import hub_command, proxy_command
from hub.config.settings import AUDIT_VARIABLE, CONFIG_VARIABLE

CURSOR = Path("/var/lib/cloudjhub-journal/cursor")
LONGEST_DATAGRAM = 65_536
FLUSH_WITHIN = 3.0
"""Seconds for sending what is left when the machine ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An instance as its programs see it: `root` is its root disk, `home` its second disk where it has one."""

    root: Path
    home: Path
    instance_id: str
    address: str

    def path(self, absolute: str) -> Path:
        """Where a file of the machine is on this one."""
        return self.root / absolute.lstrip("/")


class ManagerLog:
    """Takes what services write, until it is closed."""

    def __init__(self, shipper: Shipper) -> None:
        self._entries: queue.Queue[Entry | None] = queue.Queue(WAITING)
        self._sender = threading.Thread(target=self._send, args=(shipper,), daemon=True)
        self._sender.start()

    def take(self, unit: str, process: "subprocess.Popen[bytes]") -> threading.Thread:
        """Read a service's output from now on; the thread ends with the output."""
        reader = threading.Thread(target=self._read, args=(unit, process), daemon=True)
        reader.start()
        return reader

    def take_audit(self, journal: socket.socket) -> None:
        """Read the hub's lines of the audit log from now on, as the journal takes them."""
        threading.Thread(target=self._read_audit, args=(journal,), daemon=True).start()

    def close(self) -> None:
        """Send what is left, for at most FLUSH_WITHIN seconds."""
        self._entries.put(None)
        self._sender.join(FLUSH_WITHIN)

    def _read(self, unit: str, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
                for entry in entry_of(_as_journal(unit, line)):
                    self._entries.put(entry)

    def _read_audit(self, journal: socket.socket) -> None:
        while True:
            fields = dict(line.split(b"=", 1) for line in journal.recv(LONGEST_DATAGRAM).splitlines())
            named = {"SYSLOG_IDENTIFIER": fields[b"SYSLOG_IDENTIFIER"].decode()}
            for entry in entry_of({**_as_journal(AUDITED, fields[b"MESSAGE"]), **named}):
                self._entries.put(entry)

    def _send(self, shipper: Shipper) -> None:
        for batch in batches(self._entries):
            shipper.send(batch)


def manager_log(machine: Machine, config: ManagerConfig) -> ManagerLog:
    """The log of this machine, in a stream that is named like a manager's on AWS: for its host."""
    logs = boto3.client("logs", region_name=config.region)
    host = f"ip-{machine.address.replace('.', '-')}"
    cursor = machine.path(str(CURSOR))
    return ManagerLog(Shipper(logs, config.log_group, config.audit_group, host, cursor))


def _as_journal(unit: str, line: bytes) -> dict[str, object]:
    """A line as in `journalctl --output=json`, without a cursor to continue from."""
    return {
        "_SYSTEMD_UNIT": unit,
        "__REALTIME_TIMESTAMP": str(time.time_ns() // 1000),
        "__CURSOR": "",
        "MESSAGE": line.decode(errors="replace").rstrip("\n"),
    }


log = logging.getLogger(__name__)

HELD = "hold-hub"
"""While a file of this name is on the state disk, the hub is killed and stays down: the fault `hub-down`."""
POLL_EVERY, RESTART_AFTER, SETUP_RETRY_AFTER, ENDS_WITHIN = 0.2, 1.0, 2.0, 10.0


@dataclass(slots=True)
class Service:
    """A program that is started again whenever it ends; `name` is that of its unit."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    log: ManagerLog
    process: "subprocess.Popen[bytes] | None" = None
    pause: float = 0.0

    def keep_running(self, elapsed: float) -> None:
        """Start it if it does not run, a moment after it has ended."""
        if self.process is not None and self.process.poll() is not None:
            log.warning("%s ended with %s and is started again", self.name, self.process.returncode)
            self.process, self.pause = None, RESTART_AFTER
        self.pause -= elapsed
        if self.process is None and self.pause <= 0:
            self.process = subprocess.Popen(
                list(self.command), env=dict(self.environment), cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            self.log.take(f"{self.name}.service", self.process)

    def kill(self) -> None:
        """Kill it and wait."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self) -> None:
        """Terminate it, and wait."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()


def run(machine: Machine) -> int:
    """Be the manager until SIGTERM; then the hub ends first, and the proxy after it."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    config = ManagerConfig.from_json(machine.path(str(CONFIG_PATH)).read_text())
    bundle = machine.path(str(TARGET))
    bundle.parent.mkdir(parents=True, exist_ok=True)
    if not await_bundle(config, bundle, stop) or not await_disk(machine, config, stop):
        return 0
    state = machine.home / "hub"
    state.mkdir(mode=0o700, exist_ok=True)
    services_log = manager_log(machine, config)
    # The path of a socket has to be short.
    audit = Path(tempfile.mkdtemp(prefix="cloudjhub-")) / "journal"
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind(str(audit))
    services_log.take_audit(journal)
    proxy, hub = (
        proxy_service(config, machine.root, services_log),
        hub_service(machine, bundle, state, audit, services_log),
    )
    while not stop.wait(POLL_EVERY):
        proxy.keep_running(POLL_EVERY)
        if (machine.home / HELD).exists():
            hub.kill()
        else:
            hub.keep_running(POLL_EVERY)
    hub.end()
    proxy.end()
    services_log.close()
    shutil.rmtree(audit.parent)
    return 0


def await_bundle(config: ManagerConfig, bundle: Path, stop: threading.Event) -> bool:
    """Whether the bundle is unpacked, retried as by the set-up's unit; False if parameters to end before."""
    s3 = boto3.client("s3", region_name=config.region)
    while not stop.is_set():
        try:
            fetch(s3, config.bucket, config.bundle, bundle)
        except (BotoCoreError, ClientError, DamagedError) as error:
            log.error("the bundle cannot be fetched, trying again: %s", error)
            stop.wait(SETUP_RETRY_AFTER)
        else:
            return True
    return False


def await_disk(machine: Machine, config: ManagerConfig, stop: threading.Event) -> bool:
    """Whether the state disk is in its place; False if parameters to end before."""
    while machine.home.resolve().name != config.state_volume:
        if stop.wait(POLL_EVERY):
            return False
    return True


def proxy_service(config: ManagerConfig, directory: Path, services_log: ManagerLog) -> Service:
    """The proxy with its token from Parameter Store."""
    ssm = boto3.client("ssm", region_name=config.region)
    [token] = secrets.read_parameters(ssm, config.cluster, secrets.PROXY_TOKEN)
    command = proxy_command(Path(programs.node()), Path(programs.proxy()), config)
    environment = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": token}
    return Service("cloudjhub-proxy", command, environment, directory, services_log)


def hub_service(
    machine: Machine, bundle: Path, state: Path, audit: Path, services_log: ManagerLog
) -> Service:
    """The hub of the bundle, with the manager's own configuration; it reads its secrets itself. `audit` is the socket
    for the audit log.
    """
    environment = {
        **os.environ,
        CONFIG_VARIABLE: str(machine.path(str(CONFIG_PATH))),
        AUDIT_VARIABLE: str(audit),
        "PYTHONPATH": str(bundle),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return Service(
        "cloudjhub-hub", hub_command(Path(sys.executable), bundle), environment, state, services_log
    )
