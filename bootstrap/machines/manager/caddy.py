"""The Caddyfile: HTTPS before the proxy. Understood by Caddy 2.6, which Debian 12 and Ubuntu 24.04 have."""

from urllib.parse import urlsplit

from bootstrap.config.choices import Https
from bootstrap.machines.manager.commands import PROXY_ADDRESS, PROXY_PORT
from bootstrap.machines.manager.config import CADDY_STATE, CERTIFICATE, HUB_STATIC, KEY, ManagerConfig

ADMIN = "unix//run/caddy/admin.sock"
"""Where it takes `reload`: a socket of its own user's, not a port that every process of the machine can reach."""
YEAR = 31_536_000


def caddyfile(config: ManagerConfig) -> str:
    """The whole file. Raises ValueError where the public URL is not https."""
    parts = urlsplit(config.public_url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{config.public_url} is not https")
    host, port = parts.hostname, f":{parts.port}" if parts.port else ""
    hosts = [host, f"*.{host}"] if config.subdomains else [host]
    blocks = [
        _global(config, host),
        _block(", ".join(f"https://{one}{port}" for one in hosts), _site(config)),
        _block(", ".join(f"http://{one}" for one in hosts), [f"redir https://{{host}}{port}{{uri}} 308"]),
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def _global(config: ManagerConfig, host: str) -> list[str]:
    options = [
        f"admin {ADMIN}",
        f"storage file_system {CADDY_STATE}",
        # Browsers name no host when they are given an address.
        f"default_sni {host}",
        "grace_period 10s",
        "servers {",
        # Who sends headers this slowly means no good. Bodies and answers may take as long as they like: uploads,
        # downloads and a notebook's messages do.
        "\ttimeouts {",
        "\t\tread_header 30s",
        "\t\tidle 5m",
        "\t}",
        "}",
    ]
    if config.https is Https.LETS_ENCRYPT:
        options.append(f"email {config.email}")
    return _block("", options)


def _site(config: ManagerConfig) -> list[str]:
    lines = [] if config.https is Https.LETS_ENCRYPT else [f"tls {CERTIFICATE} {KEY}"]
    return [
        *lines,
        *_block("header", _headers(config)),
        *_block("handle_path /hub/static/*", _static()),
        # It passes WebSockets and says who asks: X-Forwarded-For, -Proto and -Host; what the browser sent there is
        # thrown away.
        *_block(
            f"reverse_proxy {PROXY_ADDRESS}:{PROXY_PORT}",
            [
                "flush_interval -1",
                # Requests wait out a restart of the proxy.
                "lb_try_duration 10s",
                *_block("transport http", ["dial_timeout 5s", "read_buffer 64KiB", "write_buffer 64KiB"]),
            ],
        ),
        # What Caddy itself refuses: a proxy that is not there, a file that does not exist.
        *_block(
            "handle_errors",
            [
                *_block("header", [*_headers(config), "Cache-Control no-store"]),
                'respond "{err.status_code} {err.status_text}"',
            ],
        ),
    ]


def _static() -> list[str]:
    """JupyterHub's scripts and styles, half of what a first login asks for: the hub's event loop has better to do."""
    return [
        f"root * {HUB_STATIC}",
        # As JupyterHub has it: what a page names with its hash never changes; all else is asked for again.
        *_block("@hashed", ["query v=*", "file"]),
        f'header @hashed Cache-Control "max-age={YEAR}, immutable"',
        "header ?Cache-Control no-cache",
        "encode gzip",
        "file_server",
    ]


def _headers(config: ManagerConfig) -> list[str]:
    """JupyterHub itself says who may frame its pages and where scripts come from."""
    lines = ["-Server", "X-Content-Type-Options nosniff", "Referrer-Policy strict-origin-when-cross-origin"]
    if config.https is Https.SELF_SIGNED:
        # A browser that was told to insist on HTTPS lets nobody past an unknown certificate.
        return lines
    scope = "; includeSubDomains" if config.subdomains else ""
    return [*lines, f'Strict-Transport-Security "max-age={YEAR}{scope}"']


def _block(head: str, lines: list[str]) -> list[str]:
    return [f"{head} {{".lstrip(), *(f"\t{line}" for line in lines), "}"]
