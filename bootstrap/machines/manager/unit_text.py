"""The text of a systemd unit, and what keeps a service within its bounds."""

from collections.abc import Mapping, Sequence

Settings = Sequence[tuple[str, str]]

METADATA = "169.254.169.254/32 fd00:ec2::254/128"
"""Where an instance's role gives its credentials to whoever asks."""

HARDENING: Settings = (
    ("NoNewPrivileges", "yes"),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectProc", "invisible"),
    ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX AF_NETLINK"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("LockPersonality", "yes"),
    ("RemoveIPC", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallErrorNumber", "EPERM"),
    ("UMask", "0077"),
)
WITHOUT_CAPABILITIES: Settings = (("CapabilityBoundingSet", ""), ("AmbientCapabilities", ""))
AT_BOOT: Settings = (("WantedBy", "multi-user.target"),)
ALWAYS: Settings = (("Restart", "always"), ("RestartSec", "2"))
"""Together with StartLimitIntervalSec=0: never given up."""


def unit(sections: Mapping[str, Settings]) -> str:
    """The unit's text. Raises ValueError for a value that would begin another line."""
    lines = []
    for section, settings in sections.items():
        lines.append(f"[{section}]")
        for name, value in settings:
            if "\n" in value:
                raise ValueError(f"{name}: a value spans lines")
            lines.append(f"{name}={value}")
        lines.append("")
    return "\n".join(lines)


def command_line(words: Sequence[str]) -> str:
    """A command as ExecStart= reads it: each word is itself, whatever is in it."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if not escaped or any(sign in escaped for sign in " \t'\"\\;") else escaped
