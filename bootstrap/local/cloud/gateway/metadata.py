"""The instance metadata service, version 2, of every running instance.

Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html

On AWS only the instance itself reaches its metadata. Here all instances share one loopback address, so each gets a path
of its own that cannot be guessed from its id: /_imds/<instance id>/<key>/.
"""

import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from werkzeug import Request, Response

from bootstrap.local.cloud.ec2.instances import Machine, Machines, profile_role, user_data
from bootstrap.local.cloud.ec2.rules import State
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.gateway.authentication import Identities, SessionCredentials

METADATA_PREFIX = "/_imds/"
LONGEST_TTL = 21600
TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "x-aws-ec2-metadata-token"  # noqa: S105 - a header's name
ROLES = "meta-data/iam/security-credentials/"
UP = (State.RUNNING, State.STOPPING, State.SHUTTING_DOWN)


class MetadataPaths:
    """The paths of instances' metadata; the same after a resume, for the operator's secret makes them."""

    def __init__(self, operator_secret: str) -> None:
        self._secret = operator_secret.encode()

    def of(self, instance_id: str) -> str:
        """The path of an instance's metadata, which cannot be guessed from its id."""
        key = hmac.digest(self._secret, f"metadata of {instance_id}".encode(), "sha256").hex()
        return f"{METADATA_PREFIX}{instance_id}/{key}/"

    def is_of(self, instance_id: str, path: str) -> bool:
        """Whether a request's path is within the instance's own."""
        own = self.of(instance_id)
        return hmac.compare_digest(path[: len(own)].encode(), own.encode())


@dataclass(slots=True)
class MetadataService:
    """Answers metadata requests. Takes the emulator's lock itself."""

    emulator: Emulator
    machines: Machines
    identities: Identities
    paths: MetadataPaths
    lifetime: timedelta
    now: Callable[[], datetime]
    _tokens: dict[str, tuple[str, datetime]] = field(init=False, default_factory=dict)
    _credentials: dict[tuple[str, str], SessionCredentials] = field(init=False, default_factory=dict)

    def answer(self, request: Request) -> Response:
        """The answer to a metadata request; 404 for every path that is not the instance's own."""
        instance_id, _, rest = request.path.removeprefix(METADATA_PREFIX).partition("/")
        _key, _, rest = rest.partition("/")
        version, _, path = rest.partition("/")
        with self.emulator.lock:
            machine = self.machines.by_id.get(instance_id)
            if machine is None or not self._is_reachable(machine, request) or version != "latest":
                return Response("Not Found", 404)
            if path == "api/token":
                return self._issue_token(request, machine)
            if not self._is_admitted(request, machine):
                return Response("Unauthorized", 401)
            content = self._content(machine, path)
        return Response("Not Found", 404) if content is None else Response(content)

    def _is_reachable(self, machine: Machine, request: Request) -> bool:
        """Whether the instance may still run programs, and the request has its own path."""
        is_up = machine.state in UP and not machine.is_dead
        return is_up and self.paths.is_of(machine.instance_id, request.path)

    def _issue_token(self, request: Request, machine: Machine) -> Response:
        if request.method != "PUT":
            return Response("Method Not Allowed", 405)
        if "x-forwarded-for" in request.headers:
            return Response("Forbidden", 403)
        ttl = request.headers.get(TTL_HEADER, "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= LONGEST_TTL:
            return Response("Bad Request", 400)
        now = self.now()
        self._tokens = {token: held for token, held in self._tokens.items() if held[1] > now}
        token = secrets.token_urlsafe(40)
        self._tokens[token] = (machine.instance_id, now + timedelta(seconds=int(ttl)))
        return Response(token, headers={TTL_HEADER: ttl})

    def _is_admitted(self, request: Request, machine: Machine) -> bool:
        holder, until = self._tokens.get(request.headers.get(TOKEN_HEADER, ""), ("", self.now()))
        return holder == machine.instance_id and until > self.now()

    def _content(self, machine: Machine, path: str) -> str | bytes | None:
        if path.startswith(ROLES):
            return self._credentials_document(machine, path.removeprefix(ROLES))
        return _plain_content(machine, self.emulator.account, self.emulator.region).get(path)

    def _credentials_document(self, machine: Machine, role: str) -> str | None:
        own = profile_role(machine.instance, self.emulator.backend("iam"))
        if own is None or role not in ("", own):
            return None
        if not role:
            return own
        credentials = self._fresh_credentials(machine.instance_id, role)
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

    def _fresh_credentials(self, instance_id: str, role: str) -> SessionCredentials | None:
        """The instance's credentials, replaced well before they expire."""
        held = self._credentials.get((instance_id, role))
        if held is not None and held.expires_at - self.now() > self.lifetime / 2:
            return held
        self.identities.forget_expired(self.now())
        fresh = self.identities.assume(role, instance_id, self.lifetime)
        if fresh is not None:
            self._credentials[instance_id, role] = fresh
        return fresh


def _plain_content(machine: Machine, account: str, region: str) -> dict[str, str | bytes]:
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
        "meta-data/local-ipv4": str(instance.private_ip_address),
        "meta-data/local-hostname": str(instance.private_dns_name),
        "meta-data/placement/availability-zone": zone,
        "meta-data/placement/region": region,
        "dynamic/instance-identity/document": json.dumps(document, indent=2),
    }
    if given := user_data(instance):
        content["user-data"] = given
    return content


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
