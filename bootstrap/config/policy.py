"""The idle policy in cluster.yaml: the fields of `lifecycle_app.model.policy`, with durations as people write them."""

import json
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    with_config,
)
from typing_extensions import TypedDict  # pydantic asks for it below Python 3.12

from bootstrap.config.document import Plain
from bootstrap.config.values import duration, free
from bootstrap.errors import SettingsError
from lifecycle_app.model.policy import read

NEVER, NONE, UNLIMITED = "never", "none", "unlimited"
HOURS, DOLLARS = ("budget_hours", "shared_budget_hours"), ("budget_dollars", "shared_budget_dollars")
BUDGETS = (*HOURS, *DOLLARS)


def _seconds(value: Any) -> Any:
    return int(duration(value).total_seconds()) if isinstance(value, str) else value


def _limit(value: Any) -> Any:
    return None if value in (None, NEVER) else _seconds(value)


def _signals(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list like [work, load]")  # noqa: TRY004 -- pydantic takes ValueErrors
    return list(map(free, value))


def _checked(value: Any, info: ValidationInfo) -> Any:
    """The value, if the lifecycle app's own rules accept it."""
    for problem in read(json.dumps({info.field_name: value})).problems:
        raise ValueError(problem.removeprefix(f"{info.field_name}: "))
    return value


def _amount(value: Any) -> Any:
    return None if value in (None, UNLIMITED) else free(value)


Seconds = Annotated[Any, BeforeValidator(_seconds), AfterValidator(_checked)]
Limit = Annotated[Any, BeforeValidator(_limit), AfterValidator(_checked)]
Amount = Annotated[Any, BeforeValidator(_amount), AfterValidator(_checked)]
Names = Annotated[Any, BeforeValidator(_signals), AfterValidator(_checked)]
Checked = Annotated[Any, BeforeValidator(free), AfterValidator(_checked)]


@with_config(ConfigDict(extra="forbid"))
class IdlePolicy(TypedDict, total=False):
    """The policy as JSON: durations in seconds, None for never."""

    idle_timeout: Annotated[Seconds, Field(description="a machine that is not used for this long is stopped")]
    busy_allowance: Annotated[
        Limit, Field(description="how long a program may run on without its user; never: no limit")
    ]
    app_allowance: Annotated[
        Seconds,
        Field(
            description="how long an open page of a web app (RStudio, Streamlit) keeps a machine; 0s: not at all"
        ),
    ]
    max_lifetime: Annotated[Limit, Field(description="a machine is stopped after this long in any case")]
    signals: Annotated[
        Names,
        Field(description="what counts as activity"),
    ]
    start_grace: Annotated[
        Seconds, Field(description="a machine is not stopped for this long after its start")
    ]
    hung_after: Annotated[
        Seconds, Field(description="without report and CPU for this long it counts as hung")
    ]
    hung_cpu: Annotated[
        Checked,
        Field(description="percent of CPU below which a machine does nothing"),
    ]
    keep_limit: Annotated[
        Seconds, Field(description="how long ahead users may keep their own machine running; 0s: not at all")
    ]
    ignored_signals: Annotated[
        Names,
        Field(description="sources of activity that do not count: docs/idleness.md lists them"),
    ]
    budget_hours: Annotated[
        Amount,
        Field(description="hours a month that a user's machines may run, together; unlimited: no budget"),
    ]
    budget_dollars: Annotated[
        Amount,
        Field(description="US dollars a month that a user's running machines may cost; unlimited: no budget"),
    ]
    budget_grace: Annotated[
        Seconds,
        Field(description="a machine that runs when the budget is used up is stopped after this long"),
    ]
    budget_stops_work: Annotated[
        Checked,
        Field(description="whether that stops a machine on which a program runs, too"),
    ]
    shared_budget_hours: Annotated[
        Amount,
        Field(description="hours a month that all users' machines may run, together; unlimited: no budget"),
    ]
    shared_budget_dollars: Annotated[
        Amount,
        Field(
            description="US dollars a month that all users' running machines may cost; unlimited: no budget"
        ),
    ]


DURATIONS = (
    *("idle_timeout", "busy_allowance", "app_allowance", "max_lifetime", "start_grace", "hung_after"),
    "keep_limit",
    "budget_grace",
)

LISTS = ("signals", "ignored_signals")

_policy = TypeAdapter(IdlePolicy)


def field(name: str, text: str) -> Any:
    """The JSON value of one field, written as on the command line: durations with a unit, signals with commas.

    Raises SettingsError.
    """
    if name in DURATIONS and text.isdigit():
        raise SettingsError(f"{name}={text}: give a unit: {name}={text}s, {text}m or {text}h")
    given = _words(text) if name in LISTS else Plain(text)
    try:
        return _policy.validate_python({name: given})[name]  # type: ignore[literal-required]
    except ValidationError as error:
        raise SettingsError(f"{name}: {error.errors()[0]['ctx']['error']}") from error


def _words(text: str) -> list[str]:
    """The words of a list; none for `none`, which takes back what a wider scope sets."""
    words = [word.strip() for word in text.strip("[]").split(",")]
    return [word for word in words if word and words != [NONE]]
