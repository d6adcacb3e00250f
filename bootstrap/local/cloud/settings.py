"""The local cloud's settings, read once from its command line and environment."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bootstrap.local.settings import ACCOUNT, AWS_PORT, REGION

OPERATOR_KEY = "local-operator"

EMULATOR_ENVIRONMENT = {
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "MOTO_ENABLE_AMI_VALIDATION": "true",
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
    "MOTO_DISABLE_GLOBAL_CORS": "true",
}
"""moto reads these when it is imported: only our images exist, and unknown ones are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of the cloud process."""

    address: str
    port: int
    state_dir: Path
    account: str
    region: str
    events_endpoint: str
    operator_secret: str
    boot_time: timedelta
    stop_time: timedelta
    stop_grace: timedelta
    metrics_period: timedelta
    describe_lag: timedelta
    alarm_interval: timedelta
    credential_lifetime: timedelta
    image_time: timedelta

    @property
    def endpoint(self) -> str:
        """The URL of this cloud."""
        return f"http://{self.address}:{self.port}"


def read_settings(arguments: Sequence[str]) -> Settings:
    """The settings; exits with one line if something is missing or wrong."""
    parser = _parser()
    given = parser.parse_args(arguments)
    secret = os.environ.get("CLOUDJHUB_LOCAL_SECRET", "")
    if not secret:
        parser.error(f"CLOUDJHUB_LOCAL_SECRET is not set: choose the secret of the access key {OPERATOR_KEY}")
    return Settings(**vars(given), operator_secret=secret)


def prepare_emulator(account: str) -> None:
    """Sets what moto reads from the environment; must precede the first import of moto."""
    os.environ.update(EMULATOR_ENVIRONMENT)
    os.environ["MOTO_ACCOUNT_ID"] = account


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bootstrap.local.cloud", description=__doc__)
    parser.add_argument("--address", required=True, help="loopback address to listen on")
    parser.add_argument("--port", type=int, default=AWS_PORT)
    parser.add_argument(
        "--state-dir",
        required=True,
        type=lambda name: Path(name).resolve(),
        help="directory of disks, console logs and the snapshot",
    )
    parser.add_argument("--account", default=ACCOUNT)
    parser.add_argument("--region", default=REGION)
    parser.add_argument("--events-endpoint", required=True, help="where events are put")
    for name, default, meaning in (
        ("boot-time", 1.0, "pending until running"),
        ("stop-time", 1.0, "stopping until stopped, at least"),
        ("stop-grace", 5.0, "SIGTERM until SIGKILL"),
        ("metrics-period", 10.0, "between two AWS/EC2 datapoints"),
        ("describe-lag", 0.5, "by which descriptions lag behind"),
        (
            "alarm-interval",
            10.0,
            "between two evaluations of a high-resolution alarm; others take six times as long",
        ),
        ("credential-lifetime", 21600.0, "of an instance's credentials"),
        ("image-time", 2.0, "until a new image is available"),
    ):
        parser.add_argument(f"--{name}", type=_seconds, default=_seconds(default), help=f"seconds {meaning}")
    return parser


def _seconds(value: str | float) -> timedelta:
    return timedelta(seconds=float(value))
