"""Where everything lies on the manager."""

from pathlib import Path

VENV = Path("/opt/cloudjhub")
PYTHON = VENV / "bin/python"
SOURCES = VENV / "bundle"
HUB_STATIC = VENV / "share/jupyterhub/static"
NODE_LINK = VENV / "libexec/node"
SETTINGS = Path("/etc/cloudjhub")
HUB_ENVIRONMENT = SETTINGS / "hub.env"
CADDYFILE = SETTINGS / "Caddyfile"
NAT_RULES = SETTINGS / "nat.nft"
STATE = Path("/var/lib/cloudjhub")
"""Where the state disk is mounted."""
HUB_STATE = STATE / "hub"
CADDY_STATE = STATE / "caddy"
RUN = Path("/run/cloudjhub")
"""In memory: what is secret is never written to a disk."""
PROXY_ENVIRONMENT = RUN / "proxy.env"
TLS = RUN / "tls"
CERTIFICATE, KEY = TLS / "certificate.pem", TLS / "key.pem"
UNITS = Path("/etc/systemd/system")

HUB_USER, PROXY_USER, CADDY_USER = "cloudjhub-hub", "cloudjhub-proxy", "caddy"
LABEL = "cloudjhub-state"
"""Of the state disk's file system."""
