"""Who may prove what: the signed request, taken apart."""

import asyncio
import copy
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.credentials import ReadOnlyCredentials

from bootstrap.worker.environment import signed_proof
from hub.errors import NotProven, NotReady, TooManyTries
from hub.identity import (
    AGE,
    AT_ONCE,
    BODY,
    MOST_FAILURES,
    MOST_SOURCES,
    Failures,
    Identities,
    check_request,
    instance_in,
)
from tests.hub.fakes import NOON, calls

HOST = "sts.us-east-1.amazonaws.com"
HUB = "hub.test"
ARN = "arn:aws:sts::123456789012:assumed-role/workers/i-0123456789abcdef0"
SECOND = timedelta(seconds=1)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the worker's own boot client sends, signed at noon."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOON.replace(tzinfo=None))
    credentials = ReadOnlyCredentials("ASIAEXAMPLE", "secret", "session+/token==")
    return signed_proof(credentials, sts_url=f"https://{HOST}/", region="us-east-1", hub_name=HUB)


def check(sent: Any, **more: Any) -> Any:
    return check_request(sent, **{"host": HOST, "hub_name": HUB, "now": NOON, **more})


def test_what_the_worker_signs_is_accepted_and_only_allowed_headers_are_sent_on(sent: dict[str, Any]) -> None:
    sent["headers"]["Cookie"] = "not sent on"
    proof = check(sent)
    assert set(proof.headers) == {
        "authorization",
        "content-type",
        "host",
        "x-amz-date",
        "x-amz-security-token",
        "x-cloudjhub-hub",
    }


@pytest.mark.parametrize("age", [timedelta(0), AGE, -AGE])
def test_signature_is_good_for_its_window(sent: dict[str, Any], age: timedelta) -> None:
    assert check(sent, now=NOON + age)


def header(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(sent: dict[str, Any]) -> None:
        for known in [one for one in sent["headers"] if one.lower() == name.lower()]:
            del sent["headers"][known]
        if value is not None:
            sent["headers"][name] = value

    return change


def signing(old: str, new: str) -> Callable[[dict[str, Any]], None]:
    def change(sent: dict[str, Any]) -> None:
        assert old in sent["headers"]["Authorization"]
        sent["headers"]["Authorization"] = sent["headers"]["Authorization"].replace(old, new)

    return change


def field(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda sent: sent.update({name: value})


BAD: dict[str, Callable[[dict[str, Any]], None]] = {
    "other body": field("body", "Action=AssumeRole&Version=2011-06-15"),
    "body with more": field("body", BODY + "&Action=AssumeRole"),
    "no body": field("body", None),
    "other URL": field("url", "https://sts.example.org/"),
    "URL with a query": field("url", f"https://{HOST}/?Action=AssumeRole"),
    "URL with a path": field("url", f"https://{HOST}/x"),
    "URL with a user": field("url", f"https://{HOST}@sts.example.org/"),
    "URL that cannot be read": field("url", "https://[::"),
    "no URL": field("url", None),
    "no headers": field("headers", None),
    "host header of another endpoint": header("Host", "sts.example.org"),
    "no host header": header("Host", None),
    "two hosts": lambda sent: sent["headers"].update({"host": HOST, "HOST": HOST}),
    "another hub's name": header("X-Cloudjhub-Hub", "hub.other"),
    "no hub's name": header("X-Cloudjhub-Hub", None),
    "hub's name not signed": signing(";x-cloudjhub-hub", ""),
    "host not signed": signing("host;", ""),
    "date not signed": signing("x-amz-date;", ""),
    "unknown header signed": signing("host;", "host;x-evil;"),
    "header signed twice": signing("host;", "host;host;"),
    "no signature": header("Authorization", None),
    "other service": signing("/sts/", "/iam/"),
    "other algorithm": signing("HMAC-SHA256", "ECDSA-P256-SHA256"),
    "short signature": lambda sent: sent["headers"].update(
        Authorization=sent["headers"]["Authorization"][:-1]
    ),
    "signature and more": lambda sent: sent["headers"].update(
        Authorization=sent["headers"]["Authorization"] + ",a=b"
    ),
    "other day than signed for": signing("/20261123/", "/20261122/"),
    "no date": header("X-Amz-Date", ""),
    "bad date": header("X-Amz-Date", "yesterday"),
    "JSON instead of a form": header("Content-Type", "application/json"),
    "line break in a header": header("X-Amz-Security-Token", "a\r\nHost: other"),
    "header that is no text": header("X-Amz-Security-Token", 1),
    "header without end": header("X-Amz-Security-Token", "x" * 9000),
}


@pytest.mark.parametrize("case", BAD)
def test_anything_else_is_refused(sent: dict[str, Any], case: str) -> None:
    assert check(sent)
    BAD[case](sent)
    with pytest.raises(NotProven):
        check(sent)


@pytest.mark.parametrize("age", [AGE + SECOND, -AGE - SECOND])
def test_old_or_early_signature_is_refused(sent: dict[str, Any], age: timedelta) -> None:
    with pytest.raises(NotProven, match="clock"):
        check(sent, now=NOON + age)


@pytest.mark.parametrize("sent", [None, [], "x", 1, {}, {"headers": {}}, {"headers": [], "body": BODY}])
def test_nonsense_is_refused(sent: Any) -> None:
    with pytest.raises(NotProven):
        check(sent)


def test_signature_depends_on_the_hubs_name(sent: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Or its name could be exchanged on the way, and STS would still agree."""
    credentials = ReadOnlyCredentials("ASIAEXAMPLE", "secret", "session+/token==")
    other = signed_proof(credentials, sts_url=f"https://{HOST}/", region="us-east-1", hub_name="hub.other")
    signatures = {one["headers"]["Authorization"][-64:] for one in (sent, other)}
    assert len(signatures) == 2


def test_instance_in_the_role_session() -> None:
    assert instance_in(ARN, account="123456789012", role="workers") == "i-0123456789abcdef0"


@pytest.mark.parametrize(
    "arn",
    [
        ARN.replace("123456789012", "210987654321"),
        ARN.replace("workers", "workers2"),
        ARN.replace("workers", "Workers"),
        ARN.replace("i-0123456789abcdef0", "a-session"),
        ARN.replace("i-0123456789abcdef0", "i-0123456789ABCDEF0"),
        ARN + "\n",
        ARN + "/x",
        "arn:aws:iam::123456789012:user/i-0123456789abcdef0",
        "arn:aws:iam::123456789012:role/workers",
        "arn:aws:sts::123456789012:federated-user/workers/i-0123456789abcdef0",
        "",
    ],
)
def test_any_other_identity_is_refused(arn: str) -> None:
    with pytest.raises(NotProven):
        instance_in(arn, account="123456789012", role="workers")


def test_source_that_fails_too_often_has_to_wait() -> None:
    failures = Failures(most=3, within=timedelta(minutes=1))
    for _ in range(3):
        failures.check("127.0.0.1", NOON)
        failures.add("127.0.0.1", NOON)
    with pytest.raises(TooManyTries):
        failures.check("127.0.0.1", NOON + timedelta(minutes=1))
    failures.check("127.0.0.2", NOON)
    failures.check("127.0.0.1", NOON + timedelta(minutes=1) + SECOND)


def test_the_memory_of_failures_is_bounded_and_a_check_costs_the_same_for_however_many() -> None:
    failures = Failures(most=3, within=timedelta(minutes=1))
    for n in range(2 * MOST_SOURCES):
        failures.add(f"source {n}", NOON)
    assert len(failures._at) == MOST_SOURCES
    failures.add("source 19999", NOON)
    failures.add("source 19999", NOON)
    with pytest.raises(TooManyTries):
        failures.check("source 19999", NOON)
    failures.check("source 0", NOON)


class Sts:
    """Identities whose STS answers when the test says so."""

    def __init__(self) -> None:
        sts: Any = SimpleNamespace(meta=SimpleNamespace(endpoint_url=f"https://{HOST}"))
        self.identities = Identities(sts, calls(), HUB, "workers")
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.problem: Exception | None = None
        self.identities._account = "123456789012"
        cast(Any, self.identities)._ask_sts = self._ask_sts

    async def _ask_sts(self, _: Any) -> str:
        self.asked += 1
        await self.may_answer.wait()
        if self.problem:
            raise self.problem
        return ARN

    async def served(self, sent: Any, problem: Exception | None = None) -> str:
        async with self.identities.proven(lambda: sent, "127.0.0.1", NOON) as instance_id:
            if problem:
                raise problem
            return instance_id


async def test_what_a_source_sends_that_failed_too_often_is_not_even_parsed() -> None:
    sts, parsed = Sts(), []

    async def send() -> None:
        async with sts.identities.proven(lambda: parsed.append(1), "127.0.0.1", NOON):
            pass

    for _ in range(MOST_FAILURES):
        with pytest.raises(NotProven):
            await send()
    with pytest.raises(TooManyTries):
        await send()
    assert len(parsed) == MOST_FAILURES


async def test_of_two_equal_signatures_at_once_only_one_is_served(sent: dict[str, Any]) -> None:
    sts = Sts()
    both = [asyncio.ensure_future(sts.served(sent)) for _ in range(2)]
    await asyncio.sleep(0)
    sts.may_answer.set()
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert answers[0] == "i-0123456789abcdef0"
    assert isinstance(answers[1], NotProven)
    assert sts.asked == 1
    with pytest.raises(NotProven, match="before"):
        await sts.served(sent)


@pytest.mark.parametrize("problem", [NotReady("no place is free"), ConnectionError("STS answers 503")])
async def test_signature_that_got_no_answer_may_be_sent_again(
    sent: dict[str, Any], problem: Exception
) -> None:
    """Signatures of the same second are the same, and a worker asks again soon."""
    sts = Sts()
    sts.may_answer.set()
    if isinstance(problem, NotReady):
        with pytest.raises(NotReady):
            await sts.served(sent, problem)
    else:
        sts.problem = problem
        with pytest.raises(ConnectionError):
            await sts.served(sent)
        sts.problem = None
    assert await sts.served(sent)


ANSWER = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>{ARN}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>""".encode()


class Http:
    """Answers when the test says so, and counts how many wait for it together."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.waiting = self.most = 0

    async def fetch(self, _: Any) -> Any:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.may_answer.wait()
        self.waiting -= 1
        return SimpleNamespace(body=ANSWER)


def asking(http: Http) -> Identities:
    sts: Any = boto3.client("sts", region_name="us-east-1", endpoint_url=f"https://{HOST}")
    identities = Identities(sts, calls(), HUB, "workers")
    identities._account = "123456789012"
    identities._http = cast(Any, http)
    return identities


async def served_by(identities: Identities, sent: dict[str, Any], number: int) -> str:
    one = copy.deepcopy(sent)
    signature = f"{number:064x}"
    one["headers"]["Authorization"] = one["headers"]["Authorization"][:-64] + signature
    async with identities.proven(lambda: one, f"127.0.1.{number}", NOON) as instance_id:
        return instance_id


async def test_a_class_that_boots_together_takes_turns_at_sts(sent: dict[str, Any]) -> None:
    http = Http()
    identities = asking(http)
    class_ = [asyncio.ensure_future(served_by(identities, sent, number)) for number in range(3 * AT_ONCE)]
    await asyncio.sleep(0)
    http.may_answer.set()
    assert await asyncio.gather(*class_) == ["i-0123456789abcdef0"] * 3 * AT_ONCE
    assert http.most == AT_ONCE


async def test_who_waits_too_long_for_a_turn_is_told_and_keeps_the_signature(
    sent: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.identity.LONGEST_TURN", timedelta(milliseconds=20))
    http = Http()
    identities = asking(http)
    first = [asyncio.ensure_future(served_by(identities, sent, number)) for number in range(AT_ONCE)]
    await asyncio.sleep(0)
    with pytest.raises(ConnectionError, match="at once"):
        await served_by(identities, sent, AT_ONCE)
    http.may_answer.set()
    await asyncio.gather(*first)
    assert await served_by(identities, sent, AT_ONCE) == "i-0123456789abcdef0"
