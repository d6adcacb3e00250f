"""Installs missing Debian packages. User data carries this file: cloud-init tries only once, and a package archive that
did not answer at that moment must not leave a machine without them.

    python3 install_packages.py PACKAGE ...
"""

import os
import subprocess
import sys

WAIT_FOR_LOCK = ("-o", "DPkg::Lock::Timeout=300")


def is_installed(package: str) -> bool:
    """Is the Debian package installed?"""
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


def main() -> int:
    """0 when every package is there."""
    missing = [package for package in sys.argv[1:] if not is_installed(package)]
    if not missing:
        return 0
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "-qq", *WAIT_FOR_LOCK, "update"],
        ["apt-get", "-qq", *WAIT_FOR_LOCK, "install", "--yes", "--no-install-recommends", *missing],
    ):
        if subprocess.run(command, env=environment, check=False).returncode:
            print(f"cloudjhub-setup: not installed: {', '.join(missing)}: apt-get failed", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
