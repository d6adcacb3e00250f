"""The cloud, put together and kept running."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from werkzeug import Response

from bootstrap.local import processes
from bootstrap.local.cloud.account import Account, apply_bucket_policies
from bootstrap.local.cloud.cloudformation.api import Formation
from bootstrap.local.cloud.cloudformation.engine import Engine
from bootstrap.local.cloud.cloudformation.provider import clients
from bootstrap.local.cloud.cloudwatch.alarm_watch import AlarmWatch
from bootstrap.local.cloud.cloudwatch.api import CloudWatch
from bootstrap.local.cloud.cloudwatch.metrics import MetricStore, Monitor
from bootstrap.local.cloud.dlm import Backups
from bootstrap.local.cloud.ec2.api import Ec2, Volumes
from bootstrap.local.cloud.ec2.dependents import Dependents
from bootstrap.local.cloud.ec2.images import Images, publish
from bootstrap.local.cloud.ec2.instances import Machine, Machines, boot_plan
from bootstrap.local.cloud.ec2.launching import Launching
from bootstrap.local.cloud.ec2.lifecycle import Lifecycle, Statuses
from bootstrap.local.cloud.ec2.modifications import Modifications
from bootstrap.local.cloud.ec2.rules import ClientTokens, State
from bootstrap.local.cloud.ec2.snapshots import Snapshots
from bootstrap.local.cloud.emulator import Emulator, read_snapshot, take_snapshot, write_snapshot
from bootstrap.local.cloud.events import EventBridge, Events, instance_event
from bootstrap.local.cloud.faults import Faults
from bootstrap.local.cloud.gateway.authentication import Identities
from bootstrap.local.cloud.gateway.call_log import CallLog
from bootstrap.local.cloud.gateway.control import Control
from bootstrap.local.cloud.gateway.front import Front
from bootstrap.local.cloud.gateway.metadata import MetadataPaths, MetadataService
from bootstrap.local.cloud.gateway.server import Server
from bootstrap.local.cloud.gateway.throttling import Buckets, Throttle
from bootstrap.local.cloud.hypervisor.disks import Disks
from bootstrap.local.cloud.hypervisor.host import Hypervisor
from bootstrap.local.cloud.kms import Keys, keep_no_private_keys
from bootstrap.local.cloud.route53.api import Records
from bootstrap.local.cloud.settings import OPERATOR_KEY, Settings
from bootstrap.local.cloud.wire import Call

log = logging.getLogger(__name__)

SNAPSHOT_INTERVAL = 3.0
WAKES_EVERY = 0.5


class Cloud:
    """All parts of one local cloud."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ended = threading.Event()
        self._dirty = threading.Event()
        self._has_failed = False
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        self._snapshot = settings.state_dir / "cloud.snapshot"
        self.emulator = Emulator(settings.account, settings.region)
        apply_bucket_policies()
        keep_no_private_keys()
        self.keys = Keys(self.emulator)
        self.faults = Faults()
        self.calls = CallLog()
        self.disks = Disks(settings.state_dir)
        self.disks.lock()
        self._metadata_paths = MetadataPaths(settings.operator_secret)
        self.hypervisor = Hypervisor(settings, self._metadata_paths.of, self.disks)
        bridge = EventBridge(
            settings.events_endpoint, settings.region, OPERATOR_KEY, settings.operator_secret
        )
        self.events = Events(bridge.deliver, self.faults)
        self.machines = Machines(self.emulator, time.time, self._announce)
        self.metrics = MetricStore()
        self.tokens = ClientTokens()
        self.modifications = Modifications(self.emulator, time.time)
        self._snapshots = Snapshots(self.emulator, self.disks)
        self._backups = Backups(self.emulator, self._snapshots, time.time, self.keys.lets_snapshot)
        self.identities = Identities(self.emulator, settings.operator_secret, self.faults)
        self._formation = Engine(self.emulator, clients(settings), lambda: datetime.now(UTC), self._dirty.set)
        self._resume()
        self._assemble()

    def serve(self) -> bool:
        """Serves until `end` is called, then ends the instances' processes and saves everything.

        False if it ended because a part of it failed.
        """
        server = Server(self._settings.address, self._settings.port, self._front.answer)
        left = processes.end_instances(self._settings.state_dir)
        if left:
            log.warning("ended processes left by %s", ", ".join(left))
        threads = [
            threading.Thread(target=self._keep_running, args=(run,), daemon=True)
            for run in (
                self._lifecycle.run,
                self.events.run,
                self._watch.run,
                self._monitor.run,
                self._formation.run,
                self._backups.run,
                self._save_changes,
            )
        ]
        threads.append(
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        )
        for thread in threads:
            thread.start()
        with self.emulator.lock:
            self._boot_resumed()
        log.info("cloud at %s, state in %s", self._settings.endpoint, self._settings.state_dir)
        # The kernel may give a signal to any thread, and Python handles it in this one once it runs: it has to wake up.
        while not self._ended.wait(WAKES_EVERY):
            pass
        server.shutdown()
        server.server_close()
        self.hypervisor.close()
        self._save()
        self.disks.close()
        return not self._has_failed

    def end(self) -> None:
        """Makes `serve` come to its end."""
        self._ended.set()

    def _keep_running(self, run: Callable[[threading.Event], None]) -> None:
        """Ends the whole cloud if one of its parts fails: without it, it would mislead."""
        try:
            run(self._ended)
        except Exception:
            log.exception("the cloud ends: a part of it failed")
            self._has_failed = True
            self.end()

    def _assemble(self) -> None:
        settings, emulator, machines = self._settings, self.emulator, self.machines
        self.hypervisor.on_power_off = self._power_off
        self._lifecycle = Lifecycle(
            emulator, machines, self.hypervisor, self.faults, time.time,
            boot_time=settings.boot_time, stop_time=settings.stop_time,
        )  # fmt: skip
        self._watch = AlarmWatch(
            emulator, self.metrics, self.events, self.faults, time.time, settings.alarm_interval
        )
        cloudwatch = CloudWatch(emulator, self.metrics, self._watch, time.time)
        self._monitor = Monitor(
            emulator, machines, cloudwatch.record, settings.state_dir, time.time, settings.metrics_period
        )
        images = Images(emulator, self.hypervisor, machines, self._lifecycle, time.time, settings.image_time)
        publish(emulator, images)
        metadata = MetadataService(
            emulator, machines, self.identities, self._metadata_paths,
            settings.credential_lifetime, lambda: datetime.now(UTC),
        )  # fmt: skip
        throttle = Throttle(Buckets(time.monotonic), self.faults)
        control = Control(
            emulator, machines, self._lifecycle, self.hypervisor, images, self._metadata_paths, self.faults,
            self.calls, cloudwatch.record, self.identities, throttle, f"Bearer {settings.operator_secret}",
        )  # fmt: skip
        self._front = Front(
            f"{settings.address}:{settings.port}", emulator, self.identities, throttle, self.faults,
            self._handlers(images, cloudwatch), metadata, control, self.calls, self.keys, self._dirty.set,
        )  # fmt: skip

    def _handlers(
        self, images: Images, cloudwatch: CloudWatch
    ) -> Mapping[tuple[str, str], Callable[[Call], Response]]:
        """What answers a call of a service; moto answers all others."""
        settings, emulator, machines = self._settings, self.emulator, self.machines
        launching = Launching(
            emulator,
            machines,
            self._lifecycle,
            images,
            self.faults,
            self.tokens,
            self.keys,
            self.hypervisor.disks,
        )
        # EC2's checks of a new instance take at least the time that it was pending.
        statuses = Statuses(machines, time.time, settings.boot_time, settings.describe_lag)
        ec2 = Ec2(
            emulator, machines, self._lifecycle, launching, self.hypervisor, statuses, settings.describe_lag
        )
        volumes = Volumes(emulator, machines, self.hypervisor, self.modifications)
        services: Mapping[str, Sequence[Any]] = {
            "ec2": (ec2, images, volumes, self.modifications, self._snapshots, Dependents(emulator)),
            "dlm": (self._backups,),
            "cloudwatch": (cloudwatch,),
            "route53": (Records(emulator, time.time),),
            "cloudformation": (Formation(emulator, self._formation),),
        }
        ours = {
            (service, action): handler
            for service, parts in services.items()
            for part in parts
            for action, handler in part.handlers().items()
        }
        return ours | dict(Account(emulator, self.faults).handlers()) | dict(self.keys.handlers())

    def _power_off(self, instance_id: str) -> None:
        """A program on the instance shuts it down, as `poweroff` does."""
        with self.emulator.lock:
            machine = self.machines.by_id.get(instance_id)
            if machine is not None and machine.state is State.RUNNING:
                self._lifecycle.power_off(machine)

    def _announce(self, instance_id: str, state: State, at: float) -> None:
        settings = self._settings
        arn = f"arn:aws:ec2:{settings.region}:{settings.account}:instance/{instance_id}"
        self.events.put(instance_event(arn, instance_id, str(state), at))
        self._dirty.set()

    def _resume(self) -> None:
        settings = self._settings
        self._resumed: Mapping[str, Any] = (
            read_snapshot(self._snapshot, settings.account, settings.region) or {}
        )
        machines: list[Machine] = self._resumed.get("machines", [])
        self.machines.by_id.update((machine.instance_id, machine) for machine in machines)
        self.metrics = self._resumed.get("metrics", self.metrics)
        self.tokens = self._resumed.get("tokens", self.tokens)
        self.modifications.changes.update(self._resumed.get("changes", {}))
        self._backups.policies.update(self._resumed.get("backup_policies", {}))
        self._formation.resume(self._resumed.get("stacks", {}))
        self.hypervisor.images.update(self._resumed.get("images", {}))
        for event in self._resumed.get("events", []):
            self.events.put(event)

    def _boot_resumed(self) -> None:
        """Instances that ran when the cloud ended run again, as after a reboot of their host: without an event."""
        for machine in self.machines:
            if machine.state is State.RUNNING and not machine.is_dead:
                self.hypervisor.boot(boot_plan(machine))
            elif machine.state in (State.STOPPING, State.SHUTTING_DOWN):
                self.hypervisor.halt(machine.instance_id, force=True)

    def _save_changes(self, ended: threading.Event) -> None:
        while not ended.wait(SNAPSHOT_INTERVAL):
            if self._dirty.is_set():
                self._save()

    def _save(self) -> None:
        self._dirty.clear()
        settings = self._settings
        with self.emulator.lock:
            ours = {
                "machines": list(self.machines),
                "metrics": self.metrics,
                "tokens": self.tokens,
                "changes": self.modifications.changes,
                "backup_policies": self._backups.policies,
                "stacks": self._formation.stacks,
                "images": self.hypervisor.images,
                "events": self.events.pending(),
            }
            content = take_snapshot(settings.account, settings.region, ours)
        write_snapshot(self._snapshot, content)
