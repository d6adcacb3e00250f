"""One cloud per test module, quick to boot and to stop."""

from collections.abc import Iterator

import pytest

from tests.local_cloud.cloud_process import CloudProcess, EventSink

QUICK = ("--boot-time", "0.2", "--stop-time", "0.2", "--describe-lag", "0", "--metrics-period", "0.5",
         "--alarm-interval", "0.2", "--stop-grace", "2")  # fmt: skip


@pytest.fixture(scope="module")
def events() -> Iterator[EventSink]:
    sink = EventSink()
    yield sink
    sink.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, events: EventSink) -> Iterator[CloudProcess]:
    process = CloudProcess(tmp_path_factory.mktemp("cloud") / "state", events.endpoint, *QUICK)
    process.build()
    yield process
    assert process.stop() == 0
