"""How manager, builder and workers fetch packages where an institution has a proxy or mirrors: as files and variables.

Pure, and standard library only: the manager imports it. `bootstrap.config.outgoing` accepts no text that could mean
more than an address in any of these files. No secret is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

NEVER_PROXIED = (
    "localhost",
    "127.0.0.1",
    "::1",
    # The instance metadata service: a proxy would answer with its own role's credentials, or with none.
    "169.254.169.254",
    "fd00:ec2::254",
    # AWS's endpoints: by the network's own way out, or by endpoints in the VPC.
    ".amazonaws.com",
    ".api.aws",
)
VARIABLES_FILE = "/etc/cloudjhub/outgoing.env"
"""On the manager, for its set-up and certbot alone: the hub and its proxy reach the users' machines directly."""
APT_CONF = "/etc/apt/apt.conf.d/91cloudjhub-proxy"
PIP_CONF = "/etc/pip.conf"
SYSTEMD_CONF = "/etc/systemd/system.conf.d/90-cloudjhub-proxy.conf"
ENVIRONMENT = "/etc/environment"
"""What PAM gives to logins and sudo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """Addresses; empty for none."""

    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: Sequence[str] = ()
    pip_index: str = ""
    apt_mirror: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """The environment of programs that use the proxy; {} without one. Each name in both cases: programs read one
        or the other."""
        found = {"http_proxy": self.http_proxy, "https_proxy": self.https_proxy}
        found = {name: value for name, value in found.items() if value}
        if found:
            found["no_proxy"] = ",".join(self.no_proxy)
        return found | {name.upper(): value for name, value in found.items()}

    def is_direct(self, host: str) -> bool:
        """Is a host reached without the proxy, as programs read `no_proxy`?"""
        return any(host == one or (one.startswith(".") and host.endswith(one)) for one in self.no_proxy)

    def files(self, *, is_worker: bool) -> list[dict[str, Any]]:
        """The files that cloud-init writes. A worker's stay in its image, for all its services and its user."""
        texts = {APT_CONF: self._apt_conf(), PIP_CONF: self._pip_conf()}
        if is_worker:
            texts[SYSTEMD_CONF] = self._systemd_conf()
        else:
            texts[VARIABLES_FILE] = self._assignments()
        found: list[dict[str, Any]] = [
            {"path": path, "permissions": "0644", "content": text} for path, text in texts.items() if text
        ]
        if is_worker and self.variables:
            found.append({"path": ENVIRONMENT, "append": True, "content": f"\n{self._assignments()}"})
        return found

    def archive(self) -> dict[str, Any]:
        """cloud-init's key `apt` for the mirror; {} without one."""
        if not self.apt_mirror:
            return {}
        mirror = [{"arches": ["default"], "uri": self.apt_mirror}]
        return {"apt": {"primary": mirror, "security": mirror}}

    def _assignments(self) -> str:
        return "".join(f"{name}={value}\n" for name, value in self.variables.items())

    def _systemd_conf(self) -> str:
        variables = " ".join(f'"{name}={value}"' for name, value in self.variables.items())
        return f"[Manager]\nDefaultEnvironment={variables}\n" if variables else ""

    def _pip_conf(self) -> str:
        return f"[global]\nindex-url = {self.pip_index}\n" if self.pip_index else ""

    def _apt_conf(self) -> str:
        """apt reads `no_proxy` from the environment only, which its timers do not have."""
        lines = []
        mirror = urlsplit(self.apt_mirror).hostname or ""
        direct = {
            one for one in self.no_proxy if not one.startswith(".") and "/" not in one and ":" not in one
        }
        direct |= {mirror} if mirror and self.is_direct(mirror) else set()
        for scheme, proxy in (("http", self.http_proxy), ("https", self.https_proxy)):
            if proxy:
                lines.append(f'Acquire::{scheme}::Proxy "{proxy}";')
                lines += [f'Acquire::{scheme}::Proxy::{host} "DIRECT";' for host in sorted(direct)]
        return "".join(f"{line}\n" for line in lines)
