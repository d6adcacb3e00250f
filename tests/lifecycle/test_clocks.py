"""AWS's own time tells whether this machine's clock is right; where it does not tell, it is unknown."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.session import get_session

from lifecycle_app.adapters.aws import MOST_SKEW, ClockWrong, compare_clocks
from tests.lifecycle.examples import NOON, SECOND


def asked(headers: dict[str, str]) -> dict[str, Any]:
    """A call whose answer has these headers, at noon."""
    client: Any = get_session().create_client(
        "cloudwatch", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    told = AWSResponse("https://aws.test/", 200, HTTPHeaders.from_dict(headers), None)
    answer: tuple[AWSResponse, dict[str, Any]] = told, {"MetricAlarms": []}
    client.meta.events.register("before-call", lambda **_: answer)
    compare_clocks(client, lambda: NOON)
    found: dict[str, Any] = client.describe_alarms()
    return found


@pytest.mark.parametrize("skew", [timedelta(0), MOST_SKEW, -MOST_SKEW])
def test_a_clock_that_is_about_right_will_do(skew: timedelta) -> None:
    assert asked({"date": format_datetime(NOON + skew, usegmt=True)})["MetricAlarms"] == []


@pytest.mark.parametrize("skew", [MOST_SKEW + SECOND, -MOST_SKEW - SECOND, timedelta(days=-365)])
def test_a_clock_that_is_wrong_is_reported(skew: timedelta) -> None:
    with pytest.raises(ClockWrong, match="by AWS's clock, and 2026-11-23T12:00:00"):
        asked({"date": format_datetime(NOON + skew, usegmt=True)})


@pytest.mark.parametrize("date", ["", "noon", "Mon, 23 Nov 2026 25:00:00 GMT", "Mon, 23 Nov 2026 09:00:00"])
def test_an_answer_without_a_time_that_can_be_read_tells_nothing(date: str) -> None:
    assert asked({"date": date} if date else {})["MetricAlarms"] == []
