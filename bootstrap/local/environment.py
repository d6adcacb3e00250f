"""The environment of every part of the local cloud (AWS's own variables say where AWS is) and its control API."""

import os
import secrets
from pathlib import Path
from typing import Any

import requests

from bootstrap.errors import NotRunning, SettingsError
from bootstrap.local.cloud.settings import OPERATOR_KEY
from bootstrap.local.settings import ACCOUNT, AWS_PORT, REGION, LocalSettings
from lifecycle_app.contract import TAG_ROLE

# What a program needs of its inherited_variables to run at all; nothing else leaks into the local cloud.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE", "PIP_CONFIG_FILE")


def inherited_variables() -> dict[str, str]:
    """The variables of this process that every part keeps."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


def endpoints(settings: LocalSettings) -> dict[str, str]:
    """AWS's own variables: region and endpoints."""
    return {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": settings.cloud_url,
        "AWS_ENDPOINT_URL_LAMBDA": settings.events_url,
        "AWS_ENDPOINT_URL_EVENTBRIDGE": settings.events_url,
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": settings.events_url,
        # Where the functions run, so that events they fail on reach the queue.
        "AWS_ENDPOINT_URL_SQS": settings.events_url,
        "AWS_ENDPOINT_URL_SNS": settings.events_url,
        # No part may ask the real metadata service for credentials.
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def operator_secret(state_dir: Path) -> str:
    """The operator's secret key, made at the first run."""
    path = state_dir / "operator-secret"
    try:
        return path.read_text()
    except FileNotFoundError:
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(20))
        return path.read_text()


def operator(settings: LocalSettings) -> dict[str, str]:
    """The variables that the operator's commands run with."""
    return {
        **endpoints(settings),
        "AWS_ACCESS_KEY_ID": OPERATOR_KEY,
        "AWS_SECRET_ACCESS_KEY": operator_secret(settings.state_dir),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def adopt(settings: LocalSettings) -> None:
    """Make this process the operator of the local cloud, and of nothing else: the variables of its user that
    concern AWS are removed, so that no call can reach a real account.
    """
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(operator(settings))


def emulated_lambda(settings: LocalSettings) -> dict[str, str]:
    """ministack's own settings; its functions inherit them. One address, no second listener, no waiting."""
    return {
        **inherited_variables(),
        **operator(settings),
        "BIND_HOST": settings.events_address,
        "GATEWAY_PORT": str(AWS_PORT),
        "MINISTACK_HOST": settings.events_address,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_STATE_TRANSITION_SECONDS": "0",
        "CLOUDJHUB_LOCAL_METRICS_PERIOD": str(settings.report_period.total_seconds()),
        # Its pid file is named for the port alone, and two local clouds use the same one.
        "TMPDIR": str(settings.state_dir / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


TIMEOUT = 10.0
GONE = ("shutting-down", "terminated")


def state(settings: LocalSettings) -> dict[str, Any]:
    """Instances, faults and counts of calls."""
    return _request("GET", settings, f"{settings.cloud_url}/_cloud/state").json()  # type: ignore[no-any-return]  # requests types JSON as Any


def instances_of(settings: LocalSettings, role: str) -> list[dict[str, Any]]:
    """The instances of this role that are not terminated."""
    return [
        instance
        for instance in state(settings)["instances"]
        if instance["tags"].get(TAG_ROLE) == role and instance["state"] not in GONE
    ]


def is_healthy(settings: LocalSettings, url: str) -> bool:
    """Whether the cloud process or ministack answers at the address of its health check."""
    try:
        return _request("GET", settings, url).ok
    except NotRunning:
        return False


def set_fault(settings: LocalSettings, name: str, *, on: bool) -> None:
    """Switch a fault; SettingsError with the names where there is none of this name."""
    answer = _request("POST", settings, f"{settings.cloud_url}/_cloud/faults", {"name": name, "on": on})
    if not answer.ok:
        raise SettingsError(answer.text.strip())


def _request(method: str, settings: LocalSettings, url: str, body: object = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {operator_secret(settings.state_dir)}"}
    try:
        return requests.request(method, url, json=body, headers=headers, timeout=TIMEOUT)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise NotRunning(
            f"no local cloud answers at {url}: start it with `python -m bootstrap local up`"
        ) from error
