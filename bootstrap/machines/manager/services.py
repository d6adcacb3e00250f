"""The manager's services: their command lines, and the text of their units and configuration from `templates`.

No secret is in any of it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from bootstrap.config.choices import Https
from bootstrap.machines.manager.config import (
    CADDY_STATE,
    CADDY_USER,
    CADDYFILE,
    CERTIFICATE,
    CONFIG_PATH,
    DEFAULT_PORTS,
    HUB_STATE,
    HUB_STATIC,
    HUB_USER,
    KEY,
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
from hub.config.settings import CONFIG_VARIABLE, HUB_PORT, PROXY_API_PORT

TEMPLATES = Path(__file__).parent / "templates"
SETUP, HUB, PROXY = "cloudjhub-setup.service", "cloudjhub-hub.service", "cloudjhub-proxy.service"
CADDY, JOURNAL, NAT = "cloudjhub-caddy.service", "cloudjhub-journal.service", "cloudjhub-nat.service"
PACKAGED_CADDY = "caddy.service"
MOUNT = "var-lib-cloudjhub.mount"
CERTIFICATE_UNIT, CERTIFICATE_TIMER = "cloudjhub-certificate.service", "cloudjhub-certificate.timer"
FETCH, INSTALL_PACKAGES = SETTINGS / "fetch.py", SETTINGS / "install_packages.py"
FETCH_REQUIREMENTS = SETTINGS / "fetch-requirements.txt"

PROXY_ADDRESS, PROXY_PORT = "127.0.0.1", 8000
"""Where the proxy listens behind Caddy."""
PROXY_SCRIPT = Path("hub/node_modules/configurable-http-proxy/bin/configurable-http-proxy")
CADDY_ADMIN = "unix//run/caddy/admin.sock"
"""Where Caddy accepts `reload`: a socket of its own user's, not a port that every process of the machine can reach."""
YEAR = 31_536_000

FIXED: Mapping[str, object] = {
    "caddy_admin": CADDY_ADMIN,
    "caddy_state": CADDY_STATE,
    "caddy_user": CADDY_USER,
    "caddyfile": CADDYFILE,
    "config": CONFIG_PATH,
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
    "packaged_caddy": PACKAGED_CADDY,
    "proxy_environment": PROXY_ENVIRONMENT,
    "proxy_user": PROXY_USER,
    "python": PYTHON,
    "setup": SETUP,
    "sources": SOURCES,
    "state": STATE,
    "venv": VENV,
}
"""Values that are the same on every manager."""


def packages(config: ManagerConfig) -> list[str]:
    """The Debian or Ubuntu packages that this manager needs."""
    needed = ["python3-venv"]
    if config.https is not Https.NONE:
        needed.append("caddy")
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
    command = [
        str(node), str(script),
        "--ip", address, "--port", str(port),
        "--api-ip", config.private_address, "--api-port", str(PROXY_API_PORT),
        "--error-target", f"http://{config.private_address}:{HUB_PORT}/hub/error",
    ]  # fmt: skip
    if config.https is not Https.NONE:
        # Caddy sets X-Forwarded-For and -Proto; the proxy would add itself, and http.
        command.append("--no-x-forward")
    return [*command, "--host-routing"] if config.subdomains else command


def proxy_address(config: ManagerConfig) -> tuple[str, int]:
    """Where the proxy listens: behind Caddy, or, without HTTPS, at the public URL itself."""
    if config.https is not Https.NONE:
        return PROXY_ADDRESS, PROXY_PORT
    parts = urlsplit(config.public_url)
    return parts.hostname or PROXY_ADDRESS, parts.port or DEFAULT_PORTS[parts.scheme]


def units(config: ManagerConfig) -> dict[str, str]:
    """Every unit's text by its name, except for the set-up's own, which user data brings."""
    names = [MOUNT, PROXY, HUB, JOURNAL]
    if config.https is not Https.NONE:
        names.append(CADDY)
    if config.https is Https.OWN:
        names += [CERTIFICATE_UNIT, CERTIFICATE_TIMER]
    if config.nat_range:
        names.append(NAT)
    return {name: unit(name, config) for name in names}


def unit(name: str, config: ManagerConfig) -> str:
    """The text of one unit."""
    proxy = proxy_command(NODE_LINK, SOURCES / PROXY_SCRIPT, config)
    values = {
        "hub_command": command_line(hub_command(PYTHON, SOURCES)),
        "packages": command_line(packages(config)),
        "proxy_command": command_line(proxy),
        "region": command_line([config.region]),
    }
    return render(name, {**FIXED, **values})


def nat_rules(config: ManagerConfig) -> str:
    """nftables' rules."""
    return render("nat.nft", {"network": config.nat_range})


def caddyfile(config: ManagerConfig) -> str:
    """Caddy's configuration. Raises ValueError where the public URL is not https."""
    parts = urlsplit(config.public_url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{config.public_url} is not https")
    host, port = _caddy_word(parts.hostname), f":{parts.port}" if parts.port else ""
    hosts = [host, f"*.{host}"] if config.subdomains else [host]
    is_ours = config.https is not Https.LETS_ENCRYPT
    scope = "; includeSubDomains" if config.subdomains else ""
    values = {
        "admin": CADDY_ADMIN,
        "storage": CADDY_STATE,
        "host": host,
        "port": port,
        "https_addresses": ", ".join(f"https://{one}{port}" for one in hosts),
        "http_addresses": ", ".join(f"http://{one}" for one in hosts),
        "email": _caddy_word(config.email) if config.email and not is_ours else None,
        "certificate": CERTIFICATE if is_ours else None,
        "key": KEY,
        # With HSTS a browser lets no user past an unknown certificate.
        "hsts": None if config.https is Https.SELF_SIGNED else f'"max-age={YEAR}{scope}"',
        "static": HUB_STATIC,
        "year": YEAR,
        "proxy": f"{PROXY_ADDRESS}:{PROXY_PORT}",
    }
    return render("Caddyfile", values)


def render(name: str, values: Mapping[str, object]) -> str:
    """A template with these values; a line with a value of None is left out.

    Raises ValueError for a value that has more than one line.
    """
    text = _template(name).replace("$hardening\n", _template("hardening.conf"))
    lines = []
    for line in map(Template, text.splitlines()):
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


def _caddy_word(value: str) -> str:
    """The value as one token of a Caddyfile. Raises ValueError for one that Caddy would expand."""
    if "{" in value or "}" in value:
        raise ValueError(f"{value} has braces, which Caddy expands")
    if re.fullmatch(r"[\w.@:+-]+", value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
