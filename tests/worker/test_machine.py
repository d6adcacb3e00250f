"""What goes on beside the server counts if it lasts: not what a machine does by itself, nor the server's traffic."""

import ctypes
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bootstrap.worker.counters import (
    Counters,
    Gpus,
    disk_bytes,
    last_key,
    network_bytes,
    read_counters,
)
from bootstrap.worker.facts import MachineUse
from bootstrap.worker.machine import HIGHEST_BASELINE, Watch
from bootstrap.worker.proc import Process

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REPORT = timedelta(seconds=30)
MB = 1_000_000


class Machine:
    """A machine whose counters a test moves; its watch looks every half minute."""

    def __init__(self) -> None:
        self.at = NOON
        self.counters = Counters()
        self.gpu = 0.0
        self.cpu = timedelta(0)
        self.typed: datetime | None = None
        self.asked: list[str] = []
        self.watch = Watch(8888, lambda _: self.counters, lambda: self.gpu, self.key)

    def key(self, terminals: Iterable[str]) -> datetime | None:
        self.asked = list(terminals)
        return self.typed

    def look(self, *more: Process, is_report: bool = True) -> MachineUse:
        job = Process(pid=50, parent=1, name="containerd-shim", group=50, cpu=self.cpu)
        kernel = Process(pid=7, parent=2, name="kswapd0", cpu=1000 * self.cpu)
        return self.watch.look(self.at, [job, kernel, *more], is_report=is_report)

    def run(
        self, periods: int, *, percent: float = 0, received: int = 0, served: int = 0, disk: int = 0
    ) -> MachineUse:
        """So many reports, each after so much use a second; `served`: bytes received on the server's connection."""
        found = MachineUse()
        for _ in range(periods):
            self.at += REPORT
            self.cpu += REPORT * (percent / 100)
            total = sum(one for _, one, _ in self.counters.served) + 30 * served
            self.counters = Counters(
                received=self.counters.received + 30 * (received + served),
                disk=self.counters.disk + 30 * disk,
                served=((1, total, 0),),
            )
            found = self.look()
        return found


def test_cpu_of_others_counts_above_what_they_always_use() -> None:
    machine = Machine()
    assert machine.run(10, percent=3).cpu_percent == 0
    assert machine.run(1, percent=100).cpu_percent == 0, "it does not last yet"
    found = machine.run(3, percent=100)
    assert found.cpu_percent == pytest.approx(97, abs=0.5)
    assert found.program == "containerd-shim"
    assert machine.run(7, percent=3).cpu_percent == 0


def test_what_uses_much_from_the_start_counts_too() -> None:
    """A person's container, perhaps; an agent that watches the machine uses less."""
    assert Machine().run(20, percent=100).cpu_percent == pytest.approx(100 - HIGHEST_BASELINE, abs=0.5)
    assert Machine().run(20, percent=15).cpu_percent == 0


@pytest.mark.parametrize("kind", ["received", "disk"])
def test_traffic_counts_that_lasts(kind: str) -> None:
    machine = Machine()
    machine.run(6)
    assert getattr(machine.run(2, **{kind: 50 * MB}), kind) == 0, "an update of packages"
    machine.run(6)
    assert getattr(machine.run(6, **{kind: MB}), kind) == MB
    machine.run(1)
    assert getattr(machine.run(1, **{kind: MB}), kind) == MB, "a pause of a download"


def test_what_browsers_send_and_get_is_no_traffic_of_the_machine() -> None:
    machine = Machine()
    machine.run(6)
    assert machine.run(6, served=MB).received == 0
    assert machine.run(6, served=MB, received=MB).received == MB


def test_a_look_between_reports_is_not_remembered() -> None:
    machine = Machine()
    machine.run(6)
    machine.at += REPORT
    machine.counters = Counters(received=10**12)
    before = machine.look(is_report=False)
    assert before == machine.look(is_report=False)


def test_a_gpu_counts_that_was_used_at_any_of_the_last_reports() -> None:
    machine = Machine()
    machine.run(6)
    machine.gpu = 80
    machine.run(1)
    machine.gpu = 0
    assert machine.run(3).gpu_percent == 80
    assert machine.run(7).gpu_percent == 0


def test_the_terminals_of_others_are_asked_for_keys() -> None:
    """Those of the server's own programs are not: what is typed there, the server sees."""
    machine = Machine()
    machine.typed = NOON
    session = Process(pid=60, parent=1, name="sh", group=60, terminal=136 << 8 | 3)
    assert machine.look(session, session).typed == NOON
    assert machine.asked == ["/dev/pts/3"]


def test_a_key_is_when_a_program_last_read_one(tmp_path: Path) -> None:
    times = {"/dev/pts/1": 100.0, "/dev/pts/2": 200.0}

    def accessed(path: str) -> float:
        if path not in times:
            raise FileNotFoundError(path)
        return times[path]

    assert last_key(["/dev/pts/1", "/dev/pts/2", "/dev/pts/9"], accessed) == datetime.fromtimestamp(200, UTC)
    assert last_key(["/dev/pts/9"], accessed) is None
    os.utime(tmp_path, (300, 400))
    assert last_key([str(tmp_path)]) == datetime.fromtimestamp(300, UTC)


def test_only_real_devices_and_whole_disks_are_counted() -> None:
    table = "Inter-| Receive\n face |bytes\n" + "".join(
        f"  {name}: {n} 0 0 0 0 0 0 0 {10 * n} 0 0 0 0 0 0 0\n"
        for name, n in [("lo", 1), ("ens5", 20), ("veth1", 300)]
    )
    assert network_bytes(table, lambda name: name == "ens5") == (20, 200)
    disks = "\n".join(
        f" 259 0 {name} 1 0 {n} 0 1 0 {2 * n} 0 0 0 0"
        for name, n in [
            ("nvme0n1", 10),
            ("nvme0n1p1", 10),
            ("xvda", 100),
            ("xvda1", 100),
            ("loop0", 1000),
            ("dm-0", 1),
        ]
    )
    assert disk_bytes(disks) == 512 * 3 * 110
    assert (network_bytes("odd", lambda _: True), disk_bytes("odd\n\n")) == ((0, 0), 0)


def test_where_nothing_can_be_read_nothing_is_counted(tmp_path: Path) -> None:
    assert read_counters(1, tmp_path, tmp_path) == Counters()


class Nvml:
    """A driver's library, with two GPUs of which the second cannot be asked."""

    def __init__(self, percents: list[int], status: int = 0) -> None:
        self.percents, self.status = percents, status

    def nvmlInit_v2(self) -> int:  # noqa: N802 -- NVIDIA's names
        return self.status

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self.percents)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:  # noqa: N802
        handle._obj.value = index + 1
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: ctypes.c_void_p, used: Any) -> int:  # noqa: N802
        used._obj.gpu = self.percents[(handle.value or 0) - 1]
        return 15 if used._obj.gpu > 100 else 0


@pytest.mark.parametrize(
    ("library", "percent"),
    [
        (Nvml([30, 80]), 80),
        (Nvml([30, 999]), 30),
        (Nvml([]), 0),
        (Nvml([80], status=9), 0),
        (OSError("no driver"), 0),
    ],
)
def test_the_busiest_gpu_by_its_drivers_library(library: Any, percent: float) -> None:
    loaded: list[str] = []

    def load(name: str) -> Any:
        loaded.append(name)
        if isinstance(library, OSError):
            raise library
        return library

    gpus = Gpus(load)
    assert (gpus.percent(), gpus.percent()) == (percent, percent)
    assert loaded == ["libnvidia-ml.so.1"], "once"
