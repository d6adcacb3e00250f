"""CloudWatch that is silent, tells a part, or tells nonsense. The hub is down, so that its figures alone decide."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

from botocore.exceptions import ConnectTimeoutError
from botocore.parsers import ResponseParserError

from lifecycle_app.use_cases import sweep
from tests.faults.hostile_hub import Asked as HubAsked
from tests.faults.hostile_hub import releasing, told
from tests.faults.scene import NO_HUB, Scene, always, only_alice, scene
from tests.faults.table import Fault, Found, found
from tests.faults.wire import Asked, Spoil, every, watched
from tests.lifecycle.examples import ALICE, HOUR, MINUTE, NOON, SECOND

Result = dict[str, Any]
NAN, INFINITE = float("nan"), float("inf")
FIVE_AGO = NOON - 5 * MINUTE
EAST = timezone(timedelta(hours=13))


def of_alice(change: Callable[[Result], Result | None], metric: str = "Activity") -> Spoil:
    """Changes what is reported of one of her metrics; None leaves it out."""

    def spoil(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
        hers = {q["Id"] for q in asked["MetricDataQueries"] if watched(q) == (metric, ALICE)}
        results = [change(one) if one["Id"] in hers else one for one in answer["MetricDataResults"]]
        return {"MetricDataResults": [one for one in results if one is not None]}

    return spoil


def hidden(one: Result, **more: Any) -> Result:
    """The result without her life of five minutes ago: as if she had been quiet."""
    return one | {"Values": [0.0 for _ in one["Values"]]} | more


def life_as(value: float) -> Callable[[Result], Result]:
    """Something else stands where her life was told."""
    return lambda one: one | {"Values": [value if level else 0.0 for level in one["Values"]]}


def times(change: Callable[[datetime], datetime]) -> Callable[[Result], Result]:
    return lambda one: one | {"Timestamps": [change(at) for at in one["Timestamps"]]}


def failing(error: Exception | dict[str, Any]) -> Spoil:
    """All that is asked about her fails."""

    def spoil(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
        if not any(watched(query)[1] == ALICE for query in asked["MetricDataQueries"]):
            return answer
        if isinstance(error, Exception):
            raise error
        return dict(error)

    return spoil


def paged(first_page: Callable[[Result], Result]) -> Spoil:
    """The first page tells a part of what it has of her, the second all of it."""

    def spoil(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
        if "NextToken" in asked:
            return answer
        return of_alice(first_page)(asked, answer) | {"NextToken": "more"}

    return spoil


def empty_page(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
    return answer if "NextToken" in asked else {"NextToken": "more"}


def endlessly_empty(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
    hers = any(watched(query)[1] == ALICE for query in asked["MetricDataQueries"])
    return {"NextToken": "the same"} if hers else answer


def throttled(code: str, status: int = 400) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": "Rate exceeded"}, "status": status}


HOLE = "not stopped: JupyterHub could not be reached"
PART = "i-0a11ce: CloudWatch has returned only a part of its reports"
LIVES = "last used at"
REPORTS: list[tuple[str, Spoil, str]] = [
    ("no data at all", of_alice(lambda one: one | {"Timestamps": [], "Values": []}), HOLE),
    ("no answer to one query", of_alice(lambda _: None), PART),
    ("PartialData", of_alice(lambda one: hidden(one, StatusCode="PartialData")), PART),
    ("InternalError", of_alice(lambda one: hidden(one, StatusCode="InternalError")), PART),
    ("Forbidden", of_alice(lambda one: hidden(one, StatusCode="Forbidden")), PART),
    ("an unknown status", of_alice(lambda one: hidden(one, StatusCode="Fine")), PART),
    ("another metric's id", of_alice(lambda one: one | {"Id": "m99"}), "an unknown id: 'm99'"),
    ("no id", of_alice(lambda one: {k: v for k, v in one.items() if k != "Id"}), "an unknown id: None"),
    ("more times than figures", of_alice(lambda one: one | {"Values": one["Values"][1:]}), "values for"),
    ("NaN", of_alice(life_as(NAN)), PART),
    ("infinity", of_alice(life_as(INFINITE)), PART),
    ("less than nothing", of_alice(life_as(-1.0)), PART),
    ("9e99", of_alice(life_as(9e99)), LIVES),
    ("all NaN", of_alice(lambda one: one | {"Values": [NAN for _ in one["Values"]]}), PART),
    ("58 minutes ahead, each of them", of_alice(times(lambda at: at + 58 * MINUTE)), LIVES),
    ("a year ahead", of_alice(times(lambda at: at + 365 * 24 * HOUR)), LIVES),
    ("a year old", of_alice(times(lambda at: at - 365 * 24 * HOUR)), HOLE),
    ("of 1970", of_alice(times(lambda _: datetime.fromtimestamp(0, UTC))), HOLE),
    ("of year 9999", of_alice(times(lambda _: datetime.max.replace(tzinfo=UTC) - 25 * HOUR)), LIVES),
    ("in another zone's words", of_alice(times(lambda at: at.astimezone(EAST))), LIVES),
    ("all at one time", of_alice(times(lambda _: NOON - 50 * MINUTE)), LIVES),
    ("newest first", of_alice(lambda one: one | {k: one[k][::-1] for k in ("Timestamps", "Values")}), LIVES),
    ("all doubled", of_alice(lambda one: one | {k: one[k] * 2 for k in ("Timestamps", "Values")}), LIVES),
    ("throttled", failing(throttled("Throttling")), "GetMetricData: Throttling"),
    ("a server error", failing(throttled("InternalServiceFault", 500)), "InternalServiceFault"),
    ("not allowed", failing(throttled("AccessDenied", 403)), "AccessDenied"),
    ("no connection", failing(ConnectTimeoutError(endpoint_url="x")), "GetMetricData: NoAnswer"),
    ("an unreadable answer", failing(ResponseParserError("<html>")), "GetMetricData: NoAnswer"),
    ("two pages", paged(lambda one: hidden(one, StatusCode="PartialData")), LIVES),
    ("a failure on the first of two pages",
     paged(lambda one: hidden(one, StatusCode="InternalError")), LIVES),
    ("an empty page before", empty_page, LIVES),
    ("empty pages without end", endlessly_empty, "GetMetricData: NoAnswer"),
]  # fmt: skip


def misread(spoil: Spoil) -> Found:
    """Alice did something five minutes ago."""
    with scene(api=NO_HUB) as one:
        lively(one)
        one.wire.spoilt["GetMetricData"] = spoil
        sweep(one.service, always)
        return found(one)


def lively(one: Scene) -> None:
    one.wire.activity[ALICE] = [(at, 3.0 if at == FIVE_AGO else 0.0) for at, _ in one.wire.activity[ALICE]]


def another_clock(skew: timedelta) -> Found:
    """This machine's clock differs from AWS's: no worker is decided about, by either."""
    with scene(api=NO_HUB) as one:
        lively(one)
        one.wire.theirs = lambda: NOON + skew
        sweep(one.service, always)
        return found(one, others=not one.wire.stops)


def deaf(asked: HubAsked) -> Iterator[bytes]:
    """The hub's word about a worker that does not answer it: it releases it only regardless."""
    goes = asked.body["mode"] == "regardless"
    yield told(releasing(asked, drained=goes, reason="cannot be asked", evidence={"answers": False}))


def hung(spoil: Spoil) -> Found:
    """Alice's reporter is dead, and her worker too busy to answer: EC2's own figures tell that it works."""
    with scene(only_alice(deaf)) as one:
        silent_but_busy(one, 80.0)
        one.wire.spoilt["GetMetricData"] = spoil
        sweep(one.service, always)
        return found(one)


def silent_but_busy(one: Scene, percent: float) -> None:
    one.wire.activity[ALICE] = every(1, 0.0, NOON - 2 * HOUR, NOON - HOUR - 10 * MINUTE)
    one.wire.cpu[ALICE] = every(5, percent, NOON - 2 * HOUR, NOON)


def cpu(change: Callable[[Result], Result | None]) -> Spoil:
    return of_alice(change, "CPUUtilization")


def as_percent(value: float, count: int = 99) -> Spoil:
    """Of her CPU only so many figures come, and they say something else."""
    return cpu(
        lambda one: (
            one | {"Timestamps": one["Timestamps"][:count], "Values": [value] * len(one["Values"][:count])}
        )
    )


CPUS: list[tuple[str, Spoil]] = [
    ("none", as_percent(0.0, 0)),
    ("NaN", as_percent(NAN)),
    ("NaN before a high one", cpu(lambda one: one | {"Values": [NAN, *one["Values"][1:]]})),
    ("less than nothing", as_percent(-1.0)),
    ("one alone, at the beginning", as_percent(0.5, 1)),
    ("the first ten minutes alone", as_percent(0.5, 2)),
    ("PartialData", cpu(lambda one: hidden(one, StatusCode="PartialData"))),
    ("InternalError", cpu(lambda one: hidden(one, StatusCode="InternalError"))),
    ("no answer", cpu(lambda _: None)),
]


def cut_off(status: str) -> Found:
    """The last hour of Alice's reports is missing, and CloudWatch says so: she is not silent, whatever her CPU does."""

    def cut(one: Result) -> Result:
        count = sum(at < NOON - HOUR - 10 * MINUTE for at in one["Timestamps"])
        return one | {"Timestamps": one["Timestamps"][:count], "Values": [0.0] * count, "StatusCode": status}

    with scene(only_alice(deaf)) as one:
        lively(one)
        one.wire.cpu[ALICE] = every(5, 0.5, NOON - 2 * HOUR, NOON)
        one.wire.spoilt["GetMetricData"] = of_alice(cut)
        sweep(one.service, always)
        return found(one)


CUTS = ("PartialData", "InternalError", "Forbidden")
SKEWS = (121 * SECOND, -121 * SECOND, HOUR, -HOUR, 365 * 24 * HOUR, -365 * 24 * HOUR)

CLOUDWATCH = [
    *(Fault(f"reports: {name}", partial(misread, spoil), words) for name, spoil, words in REPORTS),
    *(
        Fault(f"CPU of a silent worker: {name}", partial(hung, spoil), "cannot be asked")
        for name, spoil in CPUS
    ),
    *(
        Fault(f"the last reports are missing: {status}", partial(cut_off, status), "cannot be asked")
        for status in CUTS
    ),
    *(Fault(f"AWS's clock: {skew} ahead", partial(another_clock, skew), "by AWS's clock") for skew in SKEWS),
]
