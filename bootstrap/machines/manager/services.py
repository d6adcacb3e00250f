"""The manager's services: their command lines, and the text of their units and configuration from `templates`.

No secret is in any of it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from bootstrap.config.choices import Https
from bootstrap.config.reboot_window import reboot_window
from bootstrap.machines.manager.config import (
    CERTBOT_STATE,
    CONFIG_PATH,
    DEFAULT_PORTS,
    HUB_STATE,
    HUB_USER,
    LABEL,
    NAT_RULES,
    NGINX_CONF,
    NGINX_USER,
    NODE_LINK,
    PROXY_ENVIRONMENT,
    PROXY_USER,
    PYTHON,
    RUN,
    SETTINGS,
    SOURCES,
    STATE,
    VENV,
    ManagerConfig,
)
from bootstrap.machines.outgoing import VARIABLES_FILE, Outgoing
from hub.config.origins import program_url
from hub.config.settings import AUDIT_VARIABLE, CONFIG_VARIABLE, HUB_PORT, PROXY_API_PORT

TEMPLATES = Path(__file__).parent / "templates"
SETUP, HUB, PROXY = "cloudjhub-setup.service", "cloudjhub-hub.service", "cloudjhub-proxy.service"
NGINX, JOURNAL, NAT = "cloudjhub-nginx.service", "cloudjhub-journal.service", "cloudjhub-nat.service"
PACKAGED_NGINX = "nginx.service"
MOUNT = "var-lib-cloudjhub.mount"
UPDATE, UPDATE_PATH = "cloudjhub-nginx-update.service", "cloudjhub-nginx-update.path"
CERTIFICATE_UNIT, CERTIFICATE_TIMER = "cloudjhub-certificate.service", "cloudjhub-certificate.timer"
FRESHNESS, FRESHNESS_TIMER = "cloudjhub-freshness.service", "cloudjhub-freshness.timer"
BACKUP, BACKUP_TIMER = "cloudjhub-backup.service", "cloudjhub-backup.timer"
REBOOT, REBOOT_TIMER = "cloudjhub-reboot.service", "cloudjhub-reboot.timer"
FETCH, INSTALL_PACKAGES = SETTINGS / "fetch.py", SETTINGS / "install_packages.py"
FETCH_REQUIREMENTS = SETTINGS / "fetch-requirements.txt"

PROXY_ADDRESS, PROXY_PORT = "127.0.0.1", 8000
"""Where the proxy listens behind nginx."""
ERRORS_ADDRESS = "127.0.0.1:8002"
"""Where nginx answers the proxy that asks for an error page: with the hub's page, or its own while the hub is down."""
PROXY_SCRIPT = Path("hub/node_modules/configurable-http-proxy/bin/configurable-http-proxy")
NGINX_DIRECTORY = "cloudjhub-nginx"
NGINX_RUN = Path("/run") / NGINX_DIRECTORY

FIXED: Mapping[str, object] = {
    "certbot_state": CERTBOT_STATE,
    "config": CONFIG_PATH,
    "audit_variable": AUDIT_VARIABLE,
    "config_variable": CONFIG_VARIABLE,
    "fetch": FETCH,
    "fetch_requirements": FETCH_REQUIREMENTS,
    "hub_state": HUB_STATE,
    "hub_user": HUB_USER,
    "install_packages": INSTALL_PACKAGES,
    "label": LABEL,
    # Where an instance's role gives its credentials to whoever asks.
    "metadata": "169.254.169.254/32 fd00:ec2::254/128",
    "nat_rules": NAT_RULES,
    "nginx": NGINX,
    "nginx_conf": NGINX_CONF,
    "nginx_directory": NGINX_DIRECTORY,
    "nginx_user": NGINX_USER,
    "packaged_nginx": PACKAGED_NGINX,
    "proxy_environment": PROXY_ENVIRONMENT,
    "proxy_user": PROXY_USER,
    "python": PYTHON,
    "run": RUN,
    "setup": SETUP,
    "sources": SOURCES,
    "state": STATE,
    "venv": VENV,
}
"""Values that are the same on every manager."""


def packages(config: ManagerConfig) -> list[str]:
    """The Debian or Ubuntu packages that this manager needs."""
    needed = ["python3-venv", "unattended-upgrades"]
    if config.https is not Https.NONE:
        needed.append("nginx")
    if config.nat_range:
        needed.append("nftables")
    return needed


def hub_command(python: Path, sources: Path) -> list[str]:
    """JupyterHub with its configuration in `sources`, the unpacked bundle, which must be on PYTHONPATH."""
    # -P: no file in its working directory, which it may write, is imported instead of a module.
    return [str(python), "-P", "-m", "jupyterhub", "-f", str(sources / "hub/jupyterhub_config.py")]


def proxy_command(node: Path, script: Path, config: ManagerConfig) -> list[str]:
    """The proxy, apart from the hub, so that users go on working while the hub restarts.

    Its token is in its environment: CONFIGPROXY_AUTH_TOKEN.
    """
    address, port = proxy_address(config)
    hub = f"{config.private_address}:{HUB_PORT}" if config.https is Https.NONE else ERRORS_ADDRESS
    command = [
        str(node), str(script),
        "--ip", address, "--port", str(port),
        "--api-ip", config.private_address, "--api-port", str(PROXY_API_PORT),
        "--error-target", f"http://{hub}/hub/error",
    ]  # fmt: skip
    if config.https is not Https.NONE:
        # nginx sets X-Forwarded-For and -Proto; the proxy would add itself, and http.
        command.append("--no-x-forward")
    return [*command, "--host-routing"] if config.subdomains else command


def proxy_address(config: ManagerConfig) -> tuple[str, int]:
    """Where the proxy listens: behind nginx, or, without HTTPS, at the public URL itself."""
    if config.https is not Https.NONE:
        return PROXY_ADDRESS, PROXY_PORT
    parts = urlsplit(program_url(config.public_url))
    return parts.hostname or PROXY_ADDRESS, parts.port or DEFAULT_PORTS[parts.scheme]


def units(config: ManagerConfig) -> dict[str, str]:
    """Every unit's text by its name, except for the set-up's own, which user data brings."""
    names = [MOUNT, PROXY, HUB, JOURNAL, FRESHNESS, FRESHNESS_TIMER, BACKUP, BACKUP_TIMER]
    if config.https is not Https.NONE:
        names += [NGINX, UPDATE, UPDATE_PATH]
    if config.https in (Https.OWN, Https.LETS_ENCRYPT):
        names += [CERTIFICATE_UNIT, CERTIFICATE_TIMER]
    if reboot_window(config.reboot_window):
        names += [REBOOT, REBOOT_TIMER]
    if config.nat_range:
        names.append(NAT)
    return {name: unit(name, config) for name in names}


def unit(name: str, config: ManagerConfig) -> str:
    """The text of one unit."""
    proxy = proxy_command(NODE_LINK, SOURCES / PROXY_SCRIPT, config)
    window = reboot_window(config.reboot_window)
    values = {
        "hub_command": command_line(hub_command(PYTHON, SOURCES)),
        "outgoing": VARIABLES_FILE if Outgoing(**config.outgoing).variables else None,
        "packages": command_line(packages(config)),
        "proxy_command": command_line(proxy),
        "reboot_calendar": window.calendar if window else None,
        "reboot_length": int(window.length.total_seconds()) if window else None,
        "region": command_line([config.region]),
    }
    return render(name, {**FIXED, **values})


def upgrades() -> str:
    """apt's configuration for security updates."""
    return render("upgrades.conf", {})


def journal_limits() -> str:
    """journald's configuration: how much of the disk the journal may take."""
    return render("journald.conf", {})


def nat_rules(config: ManagerConfig) -> str:
    """nftables' rules."""
    return render("nat.nft", {"network": config.nat_range})


def render(name: str, values: Mapping[str, object], kind: type[Template] = Template) -> str:
    """A template with these values; a line with a value of None is left out.

    Raises ValueError for a value that has more than one line.
    """
    text = _template(name).replace("$hardening\n", _template("hardening.conf"))
    lines = []
    for line in map(kind, text.splitlines()):
        used = {one: values[one] for one in line.get_identifiers()}
        if broken := [one for one, value in used.items() if not str(value).isprintable()]:
            raise ValueError(f"{name}: {', '.join(broken)} has more than one line")
        if None not in used.values():
            lines.append(line.substitute(used))
    return "\n".join(lines) + "\n"


def command_line(words: Sequence[str]) -> str:
    """A command as systemd reads it: each word is passed as it is, whatever is in it."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if not escaped or any(sign in escaped for sign in " \t'\"\\;") else escaped


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
