"""The lifecycle app's settings, from its environment variables. No other module reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from lifecycle_app.adapters.hub_session import is_certificate
from lifecycle_app.contract import CLUSTER_NAME, NEVER, REPORT_PERIOD
from lifecycle_app.errors import SettingsError

RECORD_SCHEDULE = "rate(1 minute)"
SWEEP_SCHEDULE = "rate(5 minutes)"
RECONCILE_SCHEDULE = "rate(15 minutes)"
REMOVAL_SCHEDULE = "rate(30 minutes)"
GROWTH_SCHEDULE = "rate(5 minutes)"
LARGEST_HOME = 16384
"""GiB: gp3's most."""
LONGEST_BACKUPS = 365
"""Days."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One cluster's settings, as the functions run with them."""

    cluster: str
    hub_api: str
    hub_token_parameter: str
    report_period: timedelta
    history_kept: timedelta
    root_kept: timedelta | None = None
    """How long a stopped worker keeps its instance and root disk; None: it always does."""
    home_limit: int = 0
    """GiB, up to which home disks grow; 0: they do not."""
    are_homes_backed_up: bool = False
    """Are daily backups made of home disks?"""
    function: str = ""
    """The Lambda function that runs; "" elsewhere."""
    hub_certificate: str | None = None
    """The hub's own certificate (PEM), if no public authority has signed it."""


@dataclass(frozen=True, slots=True)
class Triggers:
    """What the functions' triggers are deployed with."""

    cluster: str
    record_schedule: str
    sweep_schedule: str
    reconcile_schedule: str
    removal_schedule: str
    growth_schedule: str


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings. Raises SettingsError that names the missing or wrong variable."""
    return Settings(
        cluster=_cluster(environment),
        hub_api=_hub_api(environment),
        hub_token_parameter=_required(environment, "CLOUDJHUB_HUB_TOKEN_PARAMETER"),
        report_period=timedelta(seconds=_report_period(environment)),
        history_kept=timedelta(days=_number(environment, "CLOUDJHUB_HISTORY_DAYS", 90, 1, 3653)),
        root_kept=_root_kept(environment),
        hub_certificate=_certificate(environment),
        home_limit=_number(environment, "CLOUDJHUB_HOME_LIMIT", 0, 0, LARGEST_HOME),
        are_homes_backed_up=_number(environment, "CLOUDJHUB_BACKUP_DAYS", 0, 0, LONGEST_BACKUPS) > 0,
        function=environment.get("AWS_LAMBDA_FUNCTION_NAME", ""),
    )


def triggers(environment: Mapping[str, str] = os.environ) -> Triggers:
    """What the triggers are deployed with. No variable is required: Chalice imports the app on any machine."""
    return Triggers(
        cluster=environment.get("CLOUDJHUB_CLUSTER") or "dev",
        record_schedule=environment.get("CLOUDJHUB_RECORD_SCHEDULE") or RECORD_SCHEDULE,
        sweep_schedule=environment.get("CLOUDJHUB_SWEEP_SCHEDULE") or SWEEP_SCHEDULE,
        reconcile_schedule=environment.get("CLOUDJHUB_RECONCILE_SCHEDULE") or RECONCILE_SCHEDULE,
        removal_schedule=environment.get("CLOUDJHUB_REMOVAL_SCHEDULE") or REMOVAL_SCHEDULE,
        growth_schedule=environment.get("CLOUDJHUB_GROWTH_SCHEDULE") or GROWTH_SCHEDULE,
    )


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def _cluster(environment: Mapping[str, str]) -> str:
    value = _required(environment, "CLOUDJHUB_CLUSTER")
    if not CLUSTER_NAME.match(value):
        raise SettingsError(
            f"CLOUDJHUB_CLUSTER is not a cluster name (a letter and up to 31 of a-z, 0-9 and -): {value!r}"
        )
    return value


def _hub_api(environment: Mapping[str, str]) -> str:
    value = _required(environment, "CLOUDJHUB_HUB_API")
    if not value.startswith(("https://", "http://")):
        raise SettingsError(f"CLOUDJHUB_HUB_API is not an http or https address: {value!r}")
    return value


def _certificate(environment: Mapping[str, str]) -> str | None:
    value = environment.get("CLOUDJHUB_HUB_CERTIFICATE", "").strip()
    if not value:
        return None
    if not is_certificate(value):
        raise SettingsError("CLOUDJHUB_HUB_CERTIFICATE is not one certificate in PEM")
    if not environment.get("CLOUDJHUB_HUB_API", "").startswith("https://"):
        raise SettingsError("CLOUDJHUB_HUB_CERTIFICATE is set, but CLOUDJHUB_HUB_API is not an https address")
    return value + "\n"


def _report_period(environment: Mapping[str, str]) -> int:
    """Seconds: one of the periods that CloudWatch has, some below a minute and whole minutes above."""
    seconds = _number(environment, "CLOUDJHUB_REPORT_PERIOD", int(REPORT_PERIOD.total_seconds()), 1, 3600)
    if seconds not in (1, 5, 10, 20, 30) and seconds % 60:
        raise SettingsError(
            f"CLOUDJHUB_REPORT_PERIOD must be 1, 5, 10, 20, 30 or whole minutes in seconds, not {seconds}"
        )
    return seconds


def _root_kept(environment: Mapping[str, str]) -> timedelta | None:
    if environment.get("CLOUDJHUB_ROOT_KEPT", NEVER) in ("", NEVER):
        return None
    return timedelta(seconds=_number(environment, "CLOUDJHUB_ROOT_KEPT", 0, 0, 366 * 86400))


def _number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        raise SettingsError(f"{name} must be a whole number from {least} to {most}, not {text!r}")
    return int(text)
