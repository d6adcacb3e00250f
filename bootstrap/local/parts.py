"""How each part of the local cloud is started and when it is ready."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import requests

from bootstrap.errors import StepFailed
from bootstrap.local import cloud_client, environment, processes, programs
from bootstrap.local.settings import LocalSettings

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
    command = [programs.ministack(), "-P", str(Path(__file__).with_name("emulate_lambda.py"))]
    return processes.start(
        "events", command, environment.emulated_lambda(settings), settings.log("events"), settings.state_dir
    )


def await_cloud(settings: LocalSettings, part: processes.Part) -> None:
    """Return when the cloud process answers."""
    _await(settings, part, lambda: cloud_client.is_healthy(settings))


def await_events(settings: LocalSettings, part: processes.Part) -> None:
    """Return when ministack answers."""
    _await(settings, part, lambda: _answers(f"{settings.events_url}/_ministack/health"))


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def _await(settings: LocalSettings, part: processes.Part, is_ready: Callable[[], bool]) -> None:
    log = settings.log(part.name)
    end = time.monotonic() + READY_WITHIN
    while not is_ready():
        if not part.is_running:
            raise StepFailed(f"the {part.name} did not start, see {log}:\n{processes.tail(log)}")
        if time.monotonic() > end:
            raise StepFailed(
                f"the {part.name} did not answer within {READY_WITHIN:.0f} s, see {log}:\n{processes.tail(log)}"
            )
        time.sleep(POLL_EVERY)
