"""The instance metadata service, version 2, of every running instance at /_imds/<instance id>/.

Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
Other hosts of the network can be given credentials the same way, under a name of their own (see the control API).
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.identities import Identities, SessionCredentials
from bootstrap.local.cloud.machines import Machine, Machines
from bootstrap.local.cloud.messages import Request, Response, text
from bootstrap.local.cloud.plans import profile_role, user_data
from bootstrap.local.cloud.rules import State

PREFIX = "/_imds/"
LONGEST_TTL = 21600
TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "x-aws-ec2-metadata-token"  # noqa: S105 - a header's name
ROLES = "meta-data/iam/security-credentials/"
UP = (State.RUNNING, State.STOPPING, State.SHUTTING_DOWN)
"""States in which something of the instance may still run and ask."""


@dataclass(frozen=True, slots=True)
class Host:
    """Something with an identity in the network: an instance, or a host of the local cloud itself."""

    name: str
    role: str | None
    address: str


class MetadataService:
    """Answers metadata requests. Takes the emulator's lock itself."""

    def __init__(
        self,
        emulator: Emulator,
        machines: Machines,
        identities: Identities,
        lifetime: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._emulator = emulator
        self._machines = machines
        self._identities = identities
        self._lifetime = lifetime
        self._now = now
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._credentials: dict[tuple[str, str], SessionCredentials] = {}
        self.hosts: dict[str, Host] = {}

    def answer(self, request: Request) -> Response:
        name, _, path = request.path.removeprefix(PREFIX).partition("/")
        version, _, path = path.partition("/")
        with self._emulator.lock:
            host = self._host(name)
            if host is None or version != "latest":
                return text(404, "Not Found")
            if path == "api/token":
                return self._issue_token(request, host)
            if not self._is_admitted(request, host):
                return text(401, "Unauthorized")
            content = self._content(host, path)
        return text(404, "Not Found") if content is None else _found(content)

    def _host(self, name: str) -> Host | None:
        if name in self.hosts:
            return self.hosts[name]
        machine = self._machines.by_id.get(name)
        if machine is None or machine.state not in UP or machine.is_dead:
            return None
        role = profile_role(machine.instance, self._emulator.backend("iam"))
        return Host(name, role, str(machine.instance.private_ip_address))

    def _issue_token(self, request: Request, host: Host) -> Response:
        if request.method != "PUT":
            return text(405, "Method Not Allowed")
        if "x-forwarded-for" in request.headers:
            return text(403, "Forbidden")
        ttl = request.headers.get(TTL_HEADER, "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= LONGEST_TTL:
            return text(400, "Bad Request")
        now = self._now()
        self._tokens = {token: held for token, held in self._tokens.items() if held[1] > now}
        token = secrets.token_urlsafe(40)
        self._tokens[token] = (host.name, now + timedelta(seconds=int(ttl)))
        return Response(200, token.encode(), (("Content-Type", "text/plain"), (TTL_HEADER, ttl)))

    def _is_admitted(self, request: Request, host: Host) -> bool:
        holder, until = self._tokens.get(request.headers.get(TOKEN_HEADER, ""), ("", self._now()))
        return holder == host.name and until > self._now()

    def _content(self, host: Host, path: str) -> str | bytes | None:
        if path.startswith(ROLES):
            return self._credentials_document(host, path.removeprefix(ROLES))
        region = self._emulator.region
        plain: dict[str, str | bytes] = {
            "meta-data/local-ipv4": host.address,
            "meta-data/placement/region": region,
        }
        machine = self._machines.by_id.get(host.name)
        if machine is not None:
            plain |= _instance_content(machine, self._emulator.account, region)
        return plain.get(path)

    def _credentials_document(self, host: Host, role: str) -> str | None:
        if host.role is None or role not in ("", host.role):
            return None
        if not role:
            return host.role
        credentials = self._fresh_credentials(host, role)
        if credentials is None:
            return None
        return json.dumps(
            {
                "Code": "Success",
                "LastUpdated": _moment(credentials.issued_at),
                "Type": "AWS-HMAC",
                "AccessKeyId": credentials.key,
                "SecretAccessKey": credentials.secret,
                "Token": credentials.token,
                "Expiration": _moment(credentials.expires_at),
            }
        )

    def _fresh_credentials(self, host: Host, role: str) -> SessionCredentials | None:
        """The host's credentials, replaced well before they expire."""
        held = self._credentials.get((host.name, role))
        if held is not None and held.expires_at - self._now() > self._lifetime / 2:
            return held
        self._identities.forget_expired(self._now())
        fresh = self._identities.assume(role, host.name, self._lifetime)
        if fresh is not None:
            self._credentials[host.name, role] = fresh
        return fresh


def _instance_content(machine: Machine, account: str, region: str) -> dict[str, str | bytes]:
    instance = machine.instance
    zone = str(instance.availability_zone)
    document = {
        "accountId": account,
        "architecture": str(instance.architecture),
        "availabilityZone": zone,
        "imageId": str(instance.image_id),
        "instanceId": machine.instance_id,
        "instanceType": str(instance.instance_type),
        "pendingTime": _moment(instance.launch_time.replace(tzinfo=UTC)),
        "privateIp": str(instance.private_ip_address),
        "region": region,
        "version": "2017-09-30",
    }
    content: dict[str, str | bytes] = {
        "meta-data/instance-id": machine.instance_id,
        "meta-data/instance-type": str(instance.instance_type),
        "meta-data/ami-id": str(instance.image_id),
        "meta-data/local-hostname": str(instance.private_dns_name),
        "meta-data/placement/availability-zone": zone,
        "dynamic/instance-identity/document": json.dumps(document, indent=2),
    }
    if given := user_data(instance):
        content["user-data"] = given
    return content


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _found(content: str | bytes) -> Response:
    body = content.encode() if isinstance(content, str) else content
    return Response(200, body, (("Content-Type", "text/plain"),))
