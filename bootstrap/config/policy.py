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
from lifecycle_app.model.policy_words import DESCRIPTIONS, NEVER, NONE, UNLIMITED


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

    idle_timeout: Annotated[Seconds, Field(description=DESCRIPTIONS["idle_timeout"])]
    busy_allowance: Annotated[Limit, Field(description=DESCRIPTIONS["busy_allowance"])]
    app_allowance: Annotated[Seconds, Field(description=DESCRIPTIONS["app_allowance"])]
    max_lifetime: Annotated[Limit, Field(description=DESCRIPTIONS["max_lifetime"])]
    signals: Annotated[Names, Field(description=DESCRIPTIONS["signals"])]
    start_grace: Annotated[Seconds, Field(description=DESCRIPTIONS["start_grace"])]
    hung_after: Annotated[Seconds, Field(description=DESCRIPTIONS["hung_after"])]
    hung_cpu: Annotated[Checked, Field(description=DESCRIPTIONS["hung_cpu"])]
    keep_limit: Annotated[Seconds, Field(description=DESCRIPTIONS["keep_limit"])]
    ignored_signals: Annotated[Names, Field(description=DESCRIPTIONS["ignored_signals"])]
    budget_hours: Annotated[Amount, Field(description=DESCRIPTIONS["budget_hours"])]
    budget_dollars: Annotated[Amount, Field(description=DESCRIPTIONS["budget_dollars"])]
    budget_grace: Annotated[Seconds, Field(description=DESCRIPTIONS["budget_grace"])]
    budget_stops_work: Annotated[Checked, Field(description=DESCRIPTIONS["budget_stops_work"])]
    shared_budget_hours: Annotated[Amount, Field(description=DESCRIPTIONS["shared_budget_hours"])]
    shared_budget_dollars: Annotated[Amount, Field(description=DESCRIPTIONS["shared_budget_dollars"])]


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
