"""The manager's configuration, /etc/cloudjhub/manager.json, and the paths on the manager. No secret is in it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from bootstrap.config.choices import Https
from bootstrap.config.reboot_window import OFF

DEFAULT_PORTS = {"http": 80, "https": 443}
CONFIG_PATH = Path("/etc/cloudjhub/manager.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerConfig:
    """Everything that decides what a manager is, as JSON; disks in GB, durations in seconds."""

    cluster: str
    region: str
    owner: str
    tags: Mapping[str, str] = field(default_factory=dict)
    """The institution's, on what the hub launches."""
    kms_key: str = ""
    """The ARN of the key for the disks that the hub makes; empty: the account's default key."""
    bucket: str
    bundle: str
    """The bundle's key in the bucket."""
    log_group: str
    audit_group: str
    state_volume: str
    """The id of the disk that outlasts the machine."""
    public_url: str
    private_address: str
    https: Https
    email: str = ""
    subdomains: bool = False
    acme_dns: Mapping[str, str] | None = None
    """`zone_id` and `record` of the TXT record by which Let's Encrypt validates the domain; None: by port 80."""
    allowed_networks: Sequence[str] = field(default_factory=list)
    """Where browsers may come from, as CIDR; none: from anywhere."""
    nat_range: str = ""
    """The network whose connections the manager forwards to the internet, as CIDR; empty for none."""
    reboot_window: str = OFF
    """When it may reboot for a security update, as in `cluster.yaml`."""
    workers: Mapping[str, Any]
    """What the hub reads of this section of `cluster.yaml`, with the workers' subnets, group and role."""
    hub: Mapping[str, Any] = field(default_factory=dict)
    """How the hub's pages look, as far as the institution says."""
    login: Mapping[str, Any]
    timing: Mapping[str, Any]
    outgoing: Mapping[str, Any] = field(default_factory=dict)
    """The fields of `Outgoing` that are set: proxy and mirrors."""
    secret_versions: Mapping[str, int] = field(default_factory=dict)
    """The version of each secret of the authenticator, and of each that was rotated: the hub reads secrets only when it
    starts, so a changed one replaces the manager."""

    def to_json(self) -> str:
        """The file's content; equal settings have equal text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "ManagerConfig":
        """The configuration in a file's content. Raises ValueError for a file that is not a manager's."""
        found = json.loads(text)
        known = {one.name for one in fields(cls)}
        if not isinstance(found, dict) or set(found) - known:
            raise ValueError("not a manager's configuration")
        return cls(**{**found, "https": Https(found["https"])})


VENV = Path("/opt/cloudjhub")
PYTHON = VENV / "bin/python"
SOURCES = VENV / "bundle"
HUB_STATIC = VENV / "share/jupyterhub/static"
NODE_LINK = VENV / "libexec/node"
SETTINGS = Path("/etc/cloudjhub")
NGINX_CONF = SETTINGS / "nginx.conf"
PAGES = SETTINGS / "pages"
NAT_RULES = SETTINGS / "nat.nft"
STATE = Path("/var/lib/cloudjhub")
"""Where the state disk is mounted."""
HUB_STATE = STATE / "hub"
CERTBOT_STATE = STATE / "certbot"
RUN = Path("/run/cloudjhub")
"""In memory: secrets are never written to a disk."""
PROXY_ENVIRONMENT = RUN / "proxy.env"
TLS = RUN / "tls"
CERTIFICATE, KEY = TLS / "certificate.pem", TLS / "key.pem"
PRESENTED = RUN / "acme-dns.json"
"""What the DNS record has while Let's Encrypt validates the domain."""
WEBROOT = RUN / "acme"
"""Where nginx finds the answers to Let's Encrypt's challenges."""
UNITS = Path("/etc/systemd/system")
UPGRADES = Path("/etc/apt/apt.conf.d/90cloudjhub")
JOURNAL_LIMITS = Path("/etc/systemd/journald.conf.d/90-cloudjhub.conf")

HUB_USER, PROXY_USER, NGINX_USER = "cloudjhub-hub", "cloudjhub-proxy", "cloudjhub-nginx"
LABEL = "cloudjhub-state"
"""Of the state disk's file system."""
