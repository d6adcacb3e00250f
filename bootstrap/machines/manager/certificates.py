"""Puts the cluster's certificate and key where Caddy reads them, and has it take up new ones.

    python -m bootstrap.machines.manager.certificates

Run by a timer, so that an own certificate is renewed by uploading the new one.
"""

import grp
import os
import sys

import boto3

from bootstrap.machines.manager import files, parameters, running
from bootstrap.machines.manager.config import CONFIG_PATH, ManagerConfig
from bootstrap.machines.manager.errors import SetupError
from bootstrap.machines.manager.paths import CADDY_USER, CERTIFICATE, KEY, RUN, TLS
from bootstrap.machines.manager.units import CADDY


def place_certificate(cluster: str, region: str) -> bool:
    """Whether certificate or key were different. Raises SetupError."""
    ssm = boto3.client("ssm", region_name=region)
    certificate, key = parameters.read_parameters(ssm, cluster, parameters.TLS_CERTIFICATE, parameters.TLS_KEY)
    group = grp.getgrnam(CADDY_USER).gr_gid
    RUN.mkdir(mode=0o755, exist_ok=True)
    TLS.mkdir(mode=0o750, exist_ok=True)
    os.chown(TLS, 0, group)
    changed = [
        files.write_file(path, text, 0o640, group) for path, text in ((KEY, key), (CERTIFICATE, certificate))
    ]
    return any(changed)


def main() -> int:
    """0 when Caddy has what Parameter Store has."""
    config = ManagerConfig.from_json(CONFIG_PATH.read_text())
    try:
        if place_certificate(config.cluster, config.region):
            running.run(["systemctl", "reload", CADDY])
    except SetupError as error:
        print(f"cloudjhub-certificate: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
