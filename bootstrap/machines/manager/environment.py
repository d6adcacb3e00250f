"""The hub's settings as environment variables, made from the manager's configuration."""

import json
from collections.abc import Mapping
from pathlib import Path

from bootstrap.machines.manager.config import ManagerConfig


def hub_variables(config: ManagerConfig, state: Path) -> dict[str, str]:
    """What `hub.config.settings` reads; `state` is the directory of the hub's database."""
    variables = {
        "AWS_REGION": config.region,
        "AWS_DEFAULT_REGION": config.region,
        "CLOUDJHUB_CLUSTER": config.cluster,
        "CLOUDJHUB_HUB_NAME": f"cloudjhub-{config.cluster}",
        "CLOUDJHUB_PUBLIC_URL": config.public_url,
        "CLOUDJHUB_PRIVATE_ADDRESS": config.private_address,
        "CLOUDJHUB_STATE_DIR": str(state),
        "CLOUDJHUB_WORKER_TYPES": ",".join(config.worker_types),
        "CLOUDJHUB_WORKER_SUBNETS": ",".join(config.worker_subnets),
        "CLOUDJHUB_WORKER_GROUP": config.worker_group,
        "CLOUDJHUB_WORKER_ROLE": config.worker_role,
        "CLOUDJHUB_WORKER_DISK": str(config.worker_disk),
        "CLOUDJHUB_HOME_DISK": str(config.home_disk),
        "CLOUDJHUB_NAMED_SERVERS": str(config.named_servers),
        "CLOUDJHUB_OWNER": config.owner,
        "CLOUDJHUB_AUTHENTICATOR": config.authenticator,
        "CLOUDJHUB_AUTHENTICATOR_OPTIONS": json.dumps(dict(config.authenticator_options), sort_keys=True),
        "CLOUDJHUB_ALLOW_ALL": "yes" if config.allow_all else "no",
        "CLOUDJHUB_REPORT_PERIOD": str(config.report_period),
        "CLOUDJHUB_READ_INTERVAL": str(config.read_interval),
        "CLOUDJHUB_ANSWER_LIMIT": str(config.answer_limit),
    }
    if config.worker_image:
        variables["CLOUDJHUB_WORKER_IMAGE"] = config.worker_image
    if config.subdomains:
        variables["CLOUDJHUB_SUBDOMAIN_HOST"] = config.public_url
    return variables


def environment_file(variables: Mapping[str, str]) -> str:
    """The variables as systemd's EnvironmentFile= reads them: it expands nothing between double quotes.

    Raises ValueError for a value that spans lines.
    """
    broken = [name for name, value in variables.items() if "\n" in value or "\r" in value]
    if broken:
        raise ValueError(f"{', '.join(broken)}: a value spans lines")
    return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(variables.items()))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
