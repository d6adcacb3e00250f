"""Which instance a worker is, proven by a signed STS GetCallerIdentity request that the hub forwards; and its token.

The worker signs, the hub's own STS endpoint verifies. Nothing in the request decides where the hub sends it. The hub's
name is in a signed header, so that a request signed for another hub proves nothing here.
"""

import asyncio
import hashlib
import hmac
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError, create_parser
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from hub.clients.calls import Calls
from hub.errors import NotProven, TooManyTries

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

BODY = "Action=GetCallerIdentity&Version=2011-06-15"
HUB_HEADER = "x-cloudjhub-hub"
CONTENT_TYPE = "application/x-www-form-urlencoded"
# All that botocore signs for this request, and nothing that could change its meaning.
ALLOWED = frozenset(
    {
        "authorization",
        "content-length",
        "content-type",
        "host",
        HUB_HEADER,
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
    }
)
MUST_BE_SIGNED = frozenset({"host", "x-amz-date", HUB_HEADER})
LONGEST_HEADER = 8192
AGE = timedelta(minutes=5)
AT_ONCE = 20
LONGEST_TURN = timedelta(seconds=8)
"""A worker waits ten seconds for an answer: it would repeat a request that has waited this long anyway."""

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[\w/=+.-]{1,160}/(?P<day>\d{8})/[a-z0-9-]{1,40}/sts/aws4_request,"
    r" ?SignedHeaders=(?P<signed>[a-z0-9;-]{1,400}), ?Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)
_ARN = re.compile(
    r"arn:[a-z-]{2,20}:sts::(?P<account>\d{12}):assumed-role/(?P<role>[\w+=,.@-]{1,64})/(?P<session>[\w+=,.@-]{2,64})",
    re.ASCII,
)
_INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proof:
    """A signed request that may be sent to STS."""

    headers: Mapping[str, str]
    signature: str


def worker_token(key: str, cluster: str, worker: str, instance_id: str, nonce: str = "") -> str:
    """The API token of a worker's server for one boot of its instance. A restarted hub derives it again."""
    boot = [nonce] if nonce else []
    message = json.dumps([cluster, worker, instance_id, *boot], ensure_ascii=True)
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()


def check_request(sent: Any, *, host: str, hub_name: str, now: datetime) -> Proof:
    """The proof in what a worker sent, if it is what a worker signs for this hub now. Raises NotProven."""
    if not isinstance(sent, dict) or not isinstance(sent.get("headers"), dict):
        raise NotProven("not a signed request")
    if sent.get("body") != BODY:
        raise NotProven("the body is not GetCallerIdentity's")
    _check_url(sent.get("url"), host)
    headers = _lowered(sent["headers"])
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not found:
        raise NotProven("no SigV4 signature for STS")
    _check_signed(found["signed"].split(";"), headers)
    _check_values(headers, host, hub_name)
    _check_age(headers["x-amz-date"], found["day"], now)
    forwarded = {name: value for name, value in headers.items() if name != "content-length"}
    return Proof(forwarded, found["signature"])


def instance_in(arn: str, *, account: str, role: str) -> str:
    """The id of the instance whose role session this ARN is. Raises NotProven for any other identity."""
    found = _ARN.fullmatch(arn)
    if not found or not hmac.compare_digest(found["account"], account):
        raise NotProven(f"{arn} is not a role session of this account")
    if found["role"] != role or not _INSTANCE.fullmatch(found["session"]):
        raise NotProven(f"{arn} is not a worker's instance")
    return found["session"]


def _check_url(url: object, host: str) -> None:
    if not isinstance(url, str):
        raise NotProven("no URL")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise NotProven("the URL cannot be read") from error
    if parts.netloc.lower() != host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise NotProven("the request is for another endpoint")


def _lowered(sent: Mapping[Any, Any]) -> dict[str, str]:
    """Allowed headers by lower-case name. Others are dropped; that none of them is signed is checked later."""
    headers: dict[str, str] = {}
    for name, value in sent.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise NotProven("a header is not text")
        if len(value) > LONGEST_HEADER or not value.isascii() or not value.isprintable():
            raise NotProven("a header has a value that HTTP does not allow")
        if name.lower() in headers:
            raise NotProven("a header is repeated")
        if name.lower() in ALLOWED:
            headers[name.lower()] = value
    return headers


def _check_signed(signed: list[str], headers: Mapping[str, str]) -> None:
    if len(set(signed)) != len(signed) or not set(signed) >= MUST_BE_SIGNED:
        raise NotProven("host, date and the hub's name must be signed")
    if not set(signed) <= set(headers):
        raise NotProven("a signed header is missing or not allowed")


def _check_values(headers: Mapping[str, str], host: str, hub_name: str) -> None:
    if headers["host"].lower() != host:
        raise NotProven("signed for another endpoint")
    if not hmac.compare_digest(headers[HUB_HEADER].encode(), hub_name.encode()):
        raise NotProven("signed for another hub")
    if headers.get("content-type", CONTENT_TYPE).partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise NotProven("not a form, as STS requires")


def _check_age(date: str, day: str, now: datetime) -> None:
    """STS refuses old signatures too; this holds even if its window is wider."""
    try:
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise NotProven("the date cannot be read") from error
    if abs(now - signed_at) > AGE or not date.startswith(day):
        raise NotProven("signed too long ago, or by a wrong clock")


MOST_FAILURES = 30
FAILURES_WITHIN = timedelta(minutes=1)


MOST_SOURCES = 10_000
"""So many are remembered; of more, the one whose last failure is the oldest is forgotten."""


class Failures:
    """Limits how often a source may fail to prove who it is: `most` times within `within`. A source is a short text."""

    def __init__(self, most: int = MOST_FAILURES, within: timedelta = FAILURES_WITHIN) -> None:
        self._most = most
        self._within = within
        self._at: dict[str, deque[datetime]] = {}

    def check(self, source: str, now: datetime) -> None:
        """Raises TooManyTries for a source that has failed too often."""
        times = self._at.get(source)
        while times and now - times[0] > self._within:
            times.popleft()
        if times is not None and len(times) >= self._most:
            raise TooManyTries("too many failed attempts")

    def add(self, source: str, now: datetime) -> None:
        """Counts a failure."""
        times = self._at.pop(source, None) or deque(maxlen=self._most)
        times.append(now)
        self._at[source] = times
        if len(self._at) > MOST_SOURCES:
            del self._at[next(iter(self._at))]

    def forgive(self, source: str) -> None:
        """Forgets the failures of a source that has proven who it is."""
        self._at.pop(source, None)


class Identities:
    """Identifies the instance that sent a signed request."""

    def __init__(self, sts: "STSClient", calls: Calls, hub_name: str, role: str) -> None:
        self._sts = sts
        self._calls = calls
        self._hub_name = hub_name
        self._role = role
        self._account = ""
        self._endpoint = sts.meta.endpoint_url.rstrip("/") + "/"
        self._host = urlsplit(self._endpoint).netloc.lower()
        self._failures = Failures()
        self._used: dict[str, datetime] = {}
        self._http: SimpleAsyncHTTPClient | None = None
        # The client has a queue too, but it fails what waits there longer than a connection may take.
        self._turns = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def proven(self, read: Callable[[], Any], source: str, now: datetime) -> AsyncIterator[str]:
        """The id of the instance that signed what was sent from the address `source`; `read` parses what was sent, and
        is not called for a source that has failed too often.

        A signature is marked as used before STS is asked, so that of two equal requests only one gets an answer. It
        can be used again if the caller fails, which then sent no answer.
        Raises NotProven, TooManyTries; OSError or an AWS error if STS cannot be asked.
        """
        self._failures.check(source, now)
        try:
            proof = check_request(read(), host=self._host, hub_name=self._hub_name, now=now)
            if proof.signature in self._used:
                raise NotProven("this signature was used before")
        except NotProven:
            self._failures.add(source, now)
            raise
        self._used = {one: at for one, at in self._used.items() if now - at <= 2 * AGE}
        self._used[proof.signature] = now
        try:
            yield await self._instance(proof, source, now)
        except BaseException:
            self._used.pop(proof.signature, None)
            raise

    async def _instance(self, proof: Proof, source: str, now: datetime) -> str:
        try:
            arn = await self._ask_sts(proof)
            return instance_in(arn, account=await self._own_account(), role=self._role)
        except NotProven:
            self._failures.add(source, now)
            raise

    async def _ask_sts(self, proof: Proof) -> str:
        if self._http is None:
            self._http = SimpleAsyncHTTPClient(force_instance=True, max_clients=AT_ONCE, max_body_size=65536)
        request = HTTPRequest(
            self._endpoint,
            method="POST",
            headers=dict(proof.headers),
            body=BODY,
            connect_timeout=3,
            request_timeout=8,
            follow_redirects=False,
        )
        try:
            async with self._turn():
                answer = await self._http.fetch(request)
        except HTTPClientError as error:
            if 400 <= error.code < 500:
                raise NotProven("STS does not accept the signature") from error
            raise ConnectionError(f"STS answers {error.code}") from error
        return self._arn(answer.body)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the requests that may run at once. Raises ConnectionError if it would wait too long."""
        try:
            async with asyncio.timeout(LONGEST_TURN.total_seconds()):
                await self._turns.acquire()
        except TimeoutError as error:
            raise ConnectionError("too many workers ask at once") from error
        try:
            yield
        finally:
            self._turns.release()

    def _arn(self, body: bytes) -> str:
        shape = self._sts.meta.service_model.operation_model("GetCallerIdentity").output_shape
        try:
            parser: Any = create_parser("query")
            return str(parser.parse({"status_code": 200, "headers": {}, "body": body}, shape)["Arn"])
        except (ResponseParserError, KeyError) as error:
            raise ConnectionError("STS's answer is not GetCallerIdentity's") from error

    async def _own_account(self) -> str:
        if not self._account:
            try:
                answer = await self._calls.call("GetCallerIdentity", self._sts.get_caller_identity)
            except (ClientError, BotoCoreError) as error:
                raise ConnectionError(f"STS does not report the hub's own account: {error}") from error
            self._account = answer["Account"]
        return self._account
