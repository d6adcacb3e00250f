"""The manager's cloud-config. No secret is in it: whoever may describe the instance can read it."""

import json
from pathlib import Path
from typing import Any

from bootstrap.machines.manager.config import CONFIG_PATH, ManagerConfig
from bootstrap.machines.manager.paths import UNITS
from bootstrap.machines.manager.units import FETCH, INSTALL_PACKAGES, SETUP, packages, setup_unit

LIMIT = 16 * 1024
"""Bytes of user data that EC2 takes."""


def user_data(config: ManagerConfig) -> str:
    """What cloud-init does at the first boot; all else is the set-up unit's, at every boot. JSON is YAML.

    Raises ValueError where it is more than EC2 takes.
    """
    here = Path(__file__).parent
    cloud_config = {
        "package_update": True,
        "packages": packages(config),
        "write_files": [
            _file(CONFIG_PATH, config.to_json()),
            _file(FETCH, (here / "fetch.py").read_text()),
            _file(INSTALL_PACKAGES, (here / "install_packages.py").read_text()),
            _file(UNITS / SETUP, setup_unit(config)),
        ],
        # A list is run without a shell.
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", SETUP],
            # It outlives cloud-init, which would not try again.
            ["systemctl", "start", "--no-block", SETUP],
        ],
    }
    text = f"#cloud-config\n{json.dumps(cloud_config, indent=1)}\n"
    if len(text.encode()) > LIMIT:
        raise ValueError(f"the manager's user data has {len(text.encode())} bytes; EC2 takes {LIMIT}")
    return text


def config_in(text: str) -> ManagerConfig:
    """What a manager with this user data was told. Raises ValueError for user data that another version made."""
    document = json.loads(text.removeprefix("#cloud-config\n"))
    try:
        [file] = [one for one in document["write_files"] if one["path"] == str(CONFIG_PATH)]
        return ManagerConfig.from_json(file["content"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a manager's user data: {error}") from error


def _file(path: Path, content: str) -> dict[str, Any]:
    return {"path": str(path), "permissions": "0644", "content": content}
