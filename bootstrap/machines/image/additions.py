"""What the operator adds to the image, installed on the builder: packages of the system, and a script.

Standard library only, as `setup`, which calls this.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap.machines.image.start import VENV, Run, SetupFailed, at

APT = ("-qq", "-o", "DPkg::Lock::Timeout=300")
QUIETLY = ("env", "DEBIAN_FRONTEND=noninteractive")
SCRIPT = "/opt/cloudjhub/setup-script"
LONGEST_LINE = 300
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def install_apt(root: Path, packages: Sequence[str], run: Run) -> None:
    """The packages of `workers.apt_packages`, before Python's, which may need them to be built.

    Each must exist by this very name: apt-get takes an unknown name with a dot or plus for a pattern.
    """
    if packages and not at(root, "/usr/bin/apt-get").exists():
        raise SetupFailed(
            "the base has no apt-get: remove workers.apt_packages, or set workers.base to another"
        )
    for package in packages:
        run("apt-cache", "show", "--no-all-versions", f"?exact-name({package.partition('=')[0]})")
    if packages:
        run(*QUIETLY, "apt-get", *APT, "--yes", "--no-install-recommends", "install", *packages)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The script's environment: the image's Python first in the path, and the build's proxy."""
    return {
        "PATH": f"{VENV}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        **{name: value for name, value in environ.items() if name.lower() in PROXIES},
    }


def run_script(root: Path, text: str) -> None:
    """Run the script of `workers.setup` with the image's Python first in its path, and print what it prints.

    Raises SetupFailed with its last line if it fails.
    """
    if not text:
        return
    script = at(root, SCRIPT)
    script.write_text(text)
    script.chmod(0o700)
    print("+ workers.setup", flush=True)
    with subprocess.Popen(
        [str(script)],
        env=environment(os.environ),
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        last = "no output"
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    script.unlink()
    if process.returncode:
        raise SetupFailed(f"workers.setup ended with {process.returncode}: {last[:LONGEST_LINE]}")
