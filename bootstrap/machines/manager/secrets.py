"""The secrets that the manager's services read from files in memory, taken from Parameter Store.

    python -m bootstrap.machines.manager.secrets

places certificate and key for Caddy. A timer runs it, so that uploading a new certificate is enough to renew it.
"""

import grp
import os
import sys
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.machines.manager import system
from bootstrap.machines.manager.config import (
    CADDY_USER,
    CERTIFICATE,
    CONFIG_PATH,
    KEY,
    RUN,
    TLS,
    ManagerConfig,
)
from bootstrap.machines.manager.services import CADDY
from bootstrap.machines.manager.system import SetupError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

PROXY_TOKEN = "hub/proxy-token"  # noqa: S105 -- the parameter's name
TLS_CERTIFICATE, TLS_KEY = "hub/tls-certificate", "hub/tls-key"


def read_parameters(ssm: "SSMClient", cluster: str, *names: str) -> list[str]:
    """The values of the cluster's parameters, in this order. Raises SetupError."""
    prefix = f"/cloudjhub/{cluster}/"
    try:
        answer = ssm.get_parameters(Names=[prefix + name for name in names], WithDecryption=True)
    except (BotoCoreError, ClientError) as error:
        raise SetupError(f"Parameter Store does not answer: {error}") from error
    found = {one["Name"].removeprefix(prefix): one["Value"] for one in answer["Parameters"]}
    missing = [prefix + name for name in names if name not in found]
    if missing:
        raise SetupError(f"Parameter Store has no {', '.join(missing)}: run `cloudjhub up`")
    return [found[name] for name in names]


def place_certificate(cluster: str, region: str) -> bool:
    """Write certificate and key for Caddy; whether they changed. Raises SetupError."""
    ssm = boto3.client("ssm", region_name=region)
    certificate, key = read_parameters(ssm, cluster, TLS_CERTIFICATE, TLS_KEY)
    group = grp.getgrnam(CADDY_USER).gr_gid
    RUN.mkdir(mode=0o755, exist_ok=True)
    TLS.mkdir(mode=0o750, exist_ok=True)
    os.chown(TLS, 0, group)
    changed = [
        system.write_file(path, text, 0o640, group) for path, text in ((KEY, key), (CERTIFICATE, certificate))
    ]
    return any(changed)


def main() -> int:
    """0 when Caddy has the certificate of Parameter Store."""
    config = ManagerConfig.from_json(CONFIG_PATH.read_text())
    try:
        if place_certificate(config.cluster, config.region):
            system.run(["systemctl", "reload", CADDY])
    except SetupError as error:
        print(f"cloudjhub-certificate: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
