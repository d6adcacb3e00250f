"""The command lines of hub and proxy. No secret is in them."""

from pathlib import Path
from urllib.parse import urlsplit

from bootstrap.config.choices import Https
from bootstrap.machines.manager.config import DEFAULT_PORTS, ManagerConfig
from hub.config.settings import HUB_PORT, PROXY_API_PORT

PROXY_ADDRESS, PROXY_PORT = "127.0.0.1", 8000
"""Where the proxy listens behind Caddy."""
PROXY_SCRIPT = Path("hub/node_modules/configurable-http-proxy/bin/configurable-http-proxy")


def hub_command(python: Path, sources: Path) -> list[str]:
    """JupyterHub with its configuration in `sources`, the unpacked bundle, which must be on PYTHONPATH."""
    # -P: no file in its working directory, which it may write, stands in for a module.
    return [str(python), "-P", "-m", "jupyterhub", "-f", str(sources / "hub/jupyterhub_config.py")]


def proxy_command(node: Path, script: Path, config: ManagerConfig) -> list[str]:
    """The proxy, apart from the hub, so that users work on while the hub restarts.

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
        # Caddy has said already who asks, and by https; the proxy would add itself, and http.
        command.append("--no-x-forward")
    return [*command, "--host-routing"] if config.subdomains else command


def proxy_address(config: ManagerConfig) -> tuple[str, int]:
    """Where the proxy listens: behind Caddy, or, without HTTPS, at the public URL itself."""
    if config.https is not Https.NONE:
        return PROXY_ADDRESS, PROXY_PORT
    parts = urlsplit(config.public_url)
    return parts.hostname or PROXY_ADDRESS, parts.port or DEFAULT_PORTS[parts.scheme]
