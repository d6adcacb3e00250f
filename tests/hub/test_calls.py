"""AWS calls: throttling and lost connections are waited out, a refusal is not."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from hub.clients.calls import MOST_FAILURES, MOST_TRIES, QUICK, TokenBucket
from hub.errors import CloudBusy, CloudRefused
from tests.hub.fakes import Clock, calls, refusal


class Flaky:
    """Fails with each of the errors in turn, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def lost() -> Exception:
    return EndpointConnectionError(endpoint_url="https://ec2")


@pytest.mark.parametrize(
    "errors", [[refusal("RequestLimitExceeded")] * 5, [lost()] * 3, [refusal("Unavailable")] * 3]
)
async def test_passing_trouble_is_waited_out(errors: list[Exception]) -> None:
    clock, flaky = Clock(), Flaky(*errors)
    assert await calls(clock).call("it", flaky) == "done"
    assert len(clock.slept) == len(errors)


async def test_lasting_throttling_ends() -> None:
    flaky = Flaky(*[refusal("RequestLimitExceeded")] * 99)
    with pytest.raises(CloudBusy):
        await calls().call("it", flaky)
    assert flaky.tries == MOST_TRIES


async def test_lost_connection_ends_sooner() -> None:
    flaky = Flaky(*[lost()] * 99)
    with pytest.raises(CloudRefused, match="cannot be reached"):
        await calls().call("it", flaky)
    assert flaky.tries == MOST_FAILURES


async def test_refusal_is_not_tried_again() -> None:
    flaky = Flaky(refusal("VcpuLimitExceeded"))
    with pytest.raises(ClientError):
        await calls().call("it", flaky)
    assert flaky.tries == 1


async def test_each_try_is_paced() -> None:
    clock = Clock()
    bucket = TokenBucket(burst=1, rate=1)
    for _ in range(3):
        await calls(clock).call("it", Flaky(), bucket)
    assert clock.time == 2


async def test_booked_turn_is_not_paid_twice() -> None:
    clock = Clock()
    bucket = TokenBucket(burst=1, rate=1)
    for _ in range(3):
        await calls(clock).turn(bucket)
        await calls(clock).call("it", Flaky(), bucket, has_turn=True)
    assert clock.time == 2


def test_sdk_itself_neither_waits_long_nor_tries_again() -> None:
    # A client that is made with it adds the mode, which changes nothing for a single attempt.
    assert QUICK.retries["total_max_attempts"] == 1  # type: ignore[attr-defined]  # not in botocore's stubs
