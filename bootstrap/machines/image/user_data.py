"""What the builder is told: a cloud-config that sets it up without SSH. Pure; no secret in it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bootstrap.config.choices import Base
from bootstrap.machines.image import setup
from bootstrap.machines.manager import fetch

# EC2 takes no more, in bytes before base64.
LONGEST = 16 * 1024
# venv is a package of its own on Ubuntu; Amazon Linux's own Python is 3.9. mkfs.ext4 formats home disks.
PACKAGES = {
    Base.UBUNTU: ("python3-venv", "e2fsprogs", "sudo", "git"),
    Base.AMAZON_LINUX: ("python3.11", "e2fsprogs", "sudo", "git", "shadow-utils"),
}
PYTHON = {Base.UBUNTU: "python3", Base.AMAZON_LINUX: "python3.11"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The fields of /etc/cloudjhub/image.json: where the bundle is, by bucket and key, and pip requirements."""

    region: str
    bucket: str
    bundle: str
    packages: Sequence[str]


def user_data(config: ImageConfig, system: Base) -> str:
    """The builder's cloud-config. JSON is YAML. Values reach programs through a file, never through a shell."""
    document: dict[str, Any] = {
        # Workers do not update themselves at boot: the image begins with all updates.
        "package_update": True,
        "package_upgrade": True,
        "packages": list(PACKAGES[system]),
        "write_files": [
            _file(setup.CONFIG, json.dumps(asdict(config)), "0644"),
            _file(setup.FETCH, Path(fetch.__file__).read_text(encoding="utf-8"), "0644"),
            _file(setup.PROGRAM, Path(setup.__file__).read_text(encoding="utf-8"), "0644"),
        ],
        "runcmd": [[PYTHON[system], setup.PROGRAM]],
    }
    return "#cloud-config\n" + json.dumps(document) + "\n"


def _file(path: str, content: str, permissions: str) -> dict[str, str]:
    return {"path": path, "permissions": permissions, "content": content}
