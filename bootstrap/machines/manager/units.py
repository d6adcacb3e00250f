"""The manager's systemd units, each as a pure function of what the manager is."""

from pathlib import Path

from bootstrap.config.choices import Https
from bootstrap.machines.manager import caddy
from bootstrap.machines.manager.commands import PROXY_SCRIPT, hub_command, proxy_command
from bootstrap.machines.manager.config import (
    CADDY_STATE,
    CADDY_USER,
    CADDYFILE,
    CONFIG_PATH,
    HUB_STATE,
    HUB_USER,
    LABEL,
    NAT_RULES,
    NODE_LINK,
    PROXY_ENVIRONMENT,
    PROXY_USER,
    PYTHON,
    SETTINGS,
    SOURCES,
    STATE,
    VENV,
    ManagerConfig,
)
from bootstrap.machines.manager.unit_text import (
    ALWAYS,
    AT_BOOT,
    HARDENING,
    METADATA,
    WITHOUT_CAPABILITIES,
    Settings,
    command_line,
    unit,
)
from hub.config.settings import CONFIG_VARIABLE

SETUP, HUB, PROXY = "cloudjhub-setup.service", "cloudjhub-hub.service", "cloudjhub-proxy.service"
CADDY, JOURNAL, NAT = "cloudjhub-caddy.service", "cloudjhub-journal.service", "cloudjhub-nat.service"
PACKAGED_CADDY = "caddy.service"
MOUNT = "var-lib-cloudjhub.mount"
CERTIFICATE, CERTIFICATE_TIMER = "cloudjhub-certificate.service", "cloudjhub-certificate.timer"
BOTO3 = "boto3==1.44.5"
FETCH, INSTALL_PACKAGES = SETTINGS / "fetch.py", SETTINGS / "install_packages.py"

# After the set-up, but not bound to it: one that fails at a reboot leaves what it wrote before in use.
_AFTER_SETUP: Settings = (
    ("Wants", "network-online.target"),
    ("After", f"network-online.target {SETUP}"),
    ("StartLimitIntervalSec", "0"),
)
_SOURCES: Settings = (("Environment", f"PYTHONPATH={SOURCES}"), ("Environment", "PYTHONDONTWRITEBYTECODE=1"))


def packages(config: ManagerConfig) -> list[str]:
    """What Debian and Ubuntu are asked for."""
    wanted = ["python3-venv"]
    if config.https is not Https.NONE:
        wanted.append("caddy")
    if config.nat_range:
        wanted.append("nftables")
    return wanted


def units(config: ManagerConfig) -> dict[str, str]:
    """Every unit by its name, the set-up's own apart: user data brings that."""
    found = {MOUNT: mount_unit(), PROXY: proxy_unit(config), HUB: hub_unit(config), JOURNAL: journal_unit()}
    if config.https is not Https.NONE:
        found[CADDY] = caddy_unit()
    if config.https is Https.OWN:
        found |= {CERTIFICATE: certificate_unit(), CERTIFICATE_TIMER: certificate_timer()}
    if config.nat_range:
        found[NAT] = nat_unit()
    return found


def setup_unit(config: ManagerConfig) -> str:
    """Makes the machine what its configuration says, at every boot, and tries again until that is done."""
    python, system = str(PYTHON), "/usr/bin/python3"
    steps = (
        [system, str(INSTALL_PACKAGES), *packages(config)],
        [system, "-m", "venv", str(VENV)],
        [str(VENV / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", BOTO3],
        [python, "-P", str(FETCH), str(CONFIG_PATH)],
        [python, "-P", "-m", "bootstrap.machines.manager.setup"],
    )
    return unit(
        {
            "Unit": (
                ("Description", "cloudJHub set-up"),
                ("Wants", "network-online.target"),
                ("After", "network-online.target"),
                ("StartLimitIntervalSec", "0"),
            ),
            "Service": (
                ("Type", "oneshot"),
                *_SOURCES,
                *(("ExecStart", command_line(step)) for step in steps),
                ("Restart", "on-failure"),
                ("RestartSec", "15"),
                ("TimeoutStartSec", "1800"),
                # EC2's console log shows what a manager waits for. It holds no secret.
                ("StandardOutput", "journal+console"),
                ("StandardError", "inherit"),
            ),
            "Install": AT_BOOT,
        }
    )


def hub_unit(config: ManagerConfig) -> str:
    """JupyterHub. Nothing binds the proxy to it: users work on while it restarts."""
    return unit(
        {
            "Unit": (
                ("Description", "cloudJHub hub"),
                *_AFTER_SETUP,
                ("RequiresMountsFor", str(STATE)),
            ),
            "Service": (
                ("User", HUB_USER),
                ("WorkingDirectory", str(HUB_STATE)),
                *_SOURCES,
                ("Environment", f"{CONFIG_VARIABLE}={CONFIG_PATH}"),
                ("Environment", f"AWS_DEFAULT_REGION={config.region}"),
                ("ExecStart", command_line(hub_command(PYTHON, SOURCES))),
                *ALWAYS,
                *HARDENING,
                *WITHOUT_CAPABILITIES,
                ("ReadWritePaths", str(HUB_STATE)),
                ("LimitNOFILE", "65536"),
            ),
            "Install": AT_BOOT,
        }
    )


def proxy_unit(config: ManagerConfig) -> str:
    """The proxy. It has no use for the manager's role, so it cannot reach it."""
    return unit(
        {
            "Unit": (("Description", "cloudJHub proxy"), *_AFTER_SETUP),
            "Service": (
                ("User", PROXY_USER),
                # Made in memory at every boot; the manager process reads it, the proxy's user cannot.
                ("EnvironmentFile", str(PROXY_ENVIRONMENT)),
                ("ExecStart", command_line(proxy_command(NODE_LINK, SOURCES / PROXY_SCRIPT, config))),
                *ALWAYS,
                *HARDENING,
                *WITHOUT_CAPABILITIES,
                ("IPAddressDeny", METADATA),
                ("LimitNOFILE", "65536"),
            ),
            "Install": AT_BOOT,
        }
    )


def caddy_unit() -> str:
    """Caddy with our Caddyfile, instead of its package's unit, which runs as soon as it is installed."""
    binary, adapter = "/usr/bin/caddy", ("--config", str(CADDYFILE), "--adapter", "caddyfile")
    return unit(
        {
            "Unit": (
                ("Description", "Caddy, HTTPS before cloudJHub"),
                *_AFTER_SETUP,
                ("RequiresMountsFor", str(STATE)),
                ("Conflicts", PACKAGED_CADDY),
            ),
            "Service": (
                ("Type", "notify"),
                ("User", CADDY_USER),
                ("Environment", f"XDG_DATA_HOME={STATE}"),
                ("Environment", f"XDG_CONFIG_HOME={CADDY_STATE}/config"),
                ("ExecStart", command_line([binary, "run", *adapter])),
                (
                    "ExecReload",
                    command_line([binary, "reload", *adapter, "--force", "--address", caddy.ADMIN]),
                ),
                *ALWAYS,
                *HARDENING,
                ("CapabilityBoundingSet", "CAP_NET_BIND_SERVICE"),
                ("AmbientCapabilities", "CAP_NET_BIND_SERVICE"),
                ("RuntimeDirectory", "caddy"),
                ("RuntimeDirectoryMode", "0700"),
                ("ReadWritePaths", str(CADDY_STATE)),
                ("IPAddressDeny", METADATA),
                ("LimitNOFILE", "65536"),
            ),
            "Install": AT_BOOT,
        }
    )


def journal_unit() -> str:
    """Sends the journal of our units to the log group."""
    return unit(
        {
            "Unit": (("Description", "cloudJHub journal to CloudWatch Logs"), *_AFTER_SETUP),
            "Service": (
                ("DynamicUser", "yes"),
                ("SupplementaryGroups", "systemd-journal"),
                ("StateDirectory", "cloudjhub-journal"),
                *_SOURCES,
                ("ExecStart", command_line([str(PYTHON), "-P", "-m", "bootstrap.machines.manager.journal"])),
                *ALWAYS,
                *HARDENING,
                *WITHOUT_CAPABILITIES,
            ),
            "Install": AT_BOOT,
        }
    )


def nat_unit() -> str:
    """Forwards what workers send to the internet. Does not wait for the set-up: workers run without the hub."""
    return unit(
        {
            "Unit": (("Description", "cloudJHub NAT"), ("After", "network-pre.target")),
            "Service": (
                ("Type", "oneshot"),
                ("RemainAfterExit", "yes"),
                ("ExecStart", command_line(["/usr/sbin/nft", "--file", str(NAT_RULES)])),
                ("ExecStart", command_line(["/usr/sbin/sysctl", "--quiet", "net.ipv4.ip_forward=1"])),
            ),
            "Install": AT_BOOT,
        }
    )


def nat_rules(config: ManagerConfig) -> str:
    """nftables' rules: only what workers begin is forwarded, and never to the metadata service."""
    return f"""\
table ip cloudjhub
delete table ip cloudjhub
table ip cloudjhub {{
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ip daddr 169.254.0.0/16 drop
		ct state established,related accept
		ip saddr {config.nat_range} ip daddr != {config.nat_range} accept
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat;
		ip saddr {config.nat_range} ip daddr != {config.nat_range} masquerade
	}}
}}
"""


def mount_unit() -> str:
    """The state disk, found by its label, whatever device it is."""
    return unit(
        {
            "Unit": (("Description", "cloudJHub state"),),
            "Mount": (
                ("What", str(Path("/dev/disk/by-label") / LABEL)),
                ("Where", str(STATE)),
                ("Type", "ext4"),
                ("Options", "nosuid,nodev,noexec"),
            ),
        }
    )


def certificate_unit() -> str:
    """Takes up an own certificate that was replaced."""
    return unit(
        {
            "Unit": (("Description", "cloudJHub certificate"), ("After", SETUP)),
            "Service": (
                ("Type", "oneshot"),
                *_SOURCES,
                (
                    "ExecStart",
                    command_line([str(PYTHON), "-P", "-m", "bootstrap.machines.manager.secrets"]),
                ),
            ),
        }
    )


def certificate_timer() -> str:
    """Every quarter of an hour."""
    return unit(
        {
            "Unit": (("Description", "cloudJHub certificate, again and again"),),
            "Timer": (("OnBootSec", "15min"), ("OnUnitActiveSec", "15min")),
            "Install": (("WantedBy", "timers.target"),),
        }
    )
