"""The types of single settings: what cluster.yaml may say, and the message where it says something else.

A validator takes a text as it is in the file, or a value that Python code has made already, which it returns.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from bootstrap.config.choices import Base
from bootstrap.config.document import Plain, quoted, suggestion
from bootstrap.config.partitions import supported
from bootstrap.config.reboot_window import reboot_window
from hub.config.brand import LONGEST_NAME as LONGEST_BRAND
from hub.config.brand import LONGEST_TEXT, color_in
from hub.config.profiles import LARGEST_DISK, LONGEST_DESCRIPTION, LONGEST_GROUP, LONGEST_NAME
from lifecycle_app.contract import CLUSTER_NAME, IMAGE_ID, NEVER, TAG_NAME

LONGEST_ROOT_KEPT = timedelta(days=366)
LONGEST_TAG, LONGEST_TAG_KEY = 256, 128
MOST_TAGS = 20
"""AWS allows 50 on a resource. Those of ours on an image, and what AWS and its tools add, are the others."""
TAG_ROOM = 750
"""Characters of all tags: the manager's user data and CloudFormation's templates hold them."""
TAG_KEY_ROOM = 400
"""Characters of all keys: the policy of the manager's role lists them, and IAM takes 10,240 characters."""
OUR_TAGS, AWS_TAGS = "cloudjhub:", "aws:"
RANGES = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"))
NOT_A_NUMBER = "not_a_number"
"""The type of the error whose message names the setting's bounds."""

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,14})\Z")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?\Z")
_DURATION = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?\Z")
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
# What one reader of YAML takes for a number or a yes, and another for text.
_AMBIGUOUS = re.compile(
    r"[-+]?[0-9][0-9_]*|[-+]?[0-9._]*[0-9]e[-+]?[0-9]+|0[xob][0-9a-f_]+|y|n|yes|no|on|off", re.I
)

# The letter after the generation's number is the processor's: g for Graviton, as in t4g, m7gd and im4gn. The one
# before it is the family's: g4dn has Intel's.
_GRAVITON = re.compile(r"(a1|[a-z]+\d+g[a-z]*|mac2.*)\.")
ARM, X86 = "arm64", "x86_64"


def architecture(instance_type: str) -> str:
    """EC2's name of the processor's architecture, x86_64 or arm64, by the name of the instance type."""
    return ARM if _GRAVITON.match(instance_type) else X86


def duration(value: str) -> timedelta:
    """Seconds, or a number with s, m, h or d, or several of these like 1h30m. Raises ValueError."""
    if re.fullmatch(r"0|[1-9][0-9]{0,8}", value):
        return timedelta(seconds=int(value))
    match = _DURATION.match(value)
    if not match or not value:
        raise ValueError(f"{quoted(value)} is not a duration: write seconds, or 90s, 15m, 1h, 2d, 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        raise ValueError(f"{quoted(value)} is too long") from None


def duration_text(value: timedelta) -> str:
    """Like 90s or 1h: in the largest unit that gives a whole number; 0.5s where there is none."""
    seconds = int(value.total_seconds())
    if value.microseconds:
        return f"{value.total_seconds():g}s"
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds % size == 0), _UNITS[-1])
    return f"{seconds // size}{unit}" if seconds else "0s"


def free(value: Any) -> Any:
    """A value of any type: text, number, true, false, list or table, where all readers of YAML agree which it is.

    Raises ValueError where they do not.
    """
    if isinstance(value, dict):
        return {name: free(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [free(item) for item in value]
    if not isinstance(value, Plain):
        return value
    if value in ("true", "false"):
        return value == "true"
    if _WHOLE.match(value):
        return int(value)
    if _DECIMAL.match(value):
        return float(Decimal(value))
    if _AMBIGUOUS.fullmatch(value):
        raise ValueError(
            f'{value} could be a text or not: write "{value}" in quotes, true or false, or a plain number'
        )
    return str(value)


def _read(reader: Callable[[str], Any]) -> BeforeValidator:
    """A text by its reader, which raises ValueError; anything else as it is."""
    return BeforeValidator(lambda value: reader(value) if isinstance(value, str) else value)


def _like(pattern: str, what: str) -> AfterValidator:
    """A text that the whole pattern matches; `what` says how it should look."""
    compiled = re.compile(rf"(?:{pattern})\Z")

    def check(text: str) -> str:
        if text and not compiled.match(text):
            raise ValueError(f"{quoted(text)} is not usable: set it to {what}")
        return text

    return AfterValidator(check)


def _line(longest: int) -> AfterValidator:
    """A text of so many characters at most."""

    def check(text: str) -> str:
        if len(text) > longest:
            raise ValueError(f"has {len(text)} characters: {longest} is the most")
        return text

    return AfterValidator(check)


def _color(text: str) -> str:
    return color_in(text) if text else ""


def one_of(kind: type[StrEnum]) -> AfterValidator:
    """A text that is a member's value."""

    def check(text: str) -> str:
        known = [member.value for member in kind]
        if text not in known:
            raise ValueError(f"{quoted(text)} is unknown: {suggestion(text, known)}")
        return text

    return AfterValidator(check)


def reboots(text: str) -> str:
    """A text that is a reboot window."""
    reboot_window(text)
    return text


def root_lasts(text: str) -> timedelta | None:
    """How long a root disk is kept after the stop; None where it always is. Raises ValueError."""
    if text == NEVER:
        return None
    try:
        kept = duration(text)
    except ValueError:
        raise ValueError(
            f"{quoted(text)} is not usable: set it to a duration like 12h or 3d, or {NEVER}"
        ) from None
    if kept > LONGEST_ROOT_KEPT:
        raise ValueError(f"{quoted(text)} is longer than a year: set it to {NEVER}")
    return kept


def kept_for(text: str) -> str:
    """A text that says how long a root disk is kept."""
    root_lasts(text)
    return text


def _number(pattern: re.Pattern[str], kind: type[int | float]) -> BeforeValidator:
    def read(text: str) -> int | float:
        if not isinstance(text, Plain) or not pattern.match(text):
            raise PydanticCustomError(NOT_A_NUMBER, "not a number")
        return kind(text)

    return _read(read)


RETENTIONS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""Days that CloudWatch Logs can keep a group's lines:
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""


def _kept_days(days: int) -> int:
    if days not in RETENTIONS:
        near = min(RETENTIONS, key=lambda one: abs(one - days))
        known = ", ".join(map(str, RETENTIONS))
        raise ValueError(
            f"CloudWatch Logs does not keep lines for {days} days: set it to {near}; there are {known}"
        )
    return days


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{quoted(text)} is not usable: set it to true or false")
    return text == "true"


def _listed(value: Any) -> Any:
    """A single value is a list of one; nothing is the empty list."""
    if value is None:
        return ()
    if isinstance(value, dict):
        raise ValueError("must be a list like [first, second]")  # noqa: TRY004 -- pydantic takes ValueErrors
    return (value,) if isinstance(value, str) else tuple(value)


def _distinct(found: tuple[Any, ...]) -> tuple[Any, ...]:
    for index, one in enumerate(found):
        if one in found[:index]:
            raise ValueError(f"{one} is in the list twice: remove one")
    return found


def at_most(limit: int) -> AfterValidator:
    """A list of no more than so many entries."""

    def check(found: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(found) > limit:
            raise ValueError(f"has {len(found)} entries: {limit} is the most")
        return found

    return AfterValidator(check)


def _path(value: Any, info: ValidationInfo) -> Any:
    """A path as it is in a file of the directory in the validation's context; `~` is the operator's home."""
    if not info.context or not isinstance(value, str | Path):
        return value
    # Path would turn `./~`, which does not mean the home directory, into `~`.
    if not str(value).startswith("~"):
        return info.context["directory"] / value
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"{quoted(value)}: no user has this home directory: write the path out") from None


def _address_range(text: str) -> IPv4Network:
    """A range that a VPC may have and that no other network of the internet has."""
    fix = "set it to a private range like 10.77.0.0/16, of size /16 to /24"
    try:
        given = IPv4Interface(text)
    except ValueError:
        raise ValueError(f"{quoted(text)} is not an address range: {fix}") from None
    network = given.network
    if not 16 <= network.prefixlen <= 24 or not any(network.subnet_of(known) for known in RANGES):
        raise ValueError(f"{quoted(text)} is not usable: {fix}")
    if given.ip != network.network_address:
        raise ValueError(f"{given} is an address within a range: set it to {network}")
    return network


def _source_range(text: str) -> IPv4Network:
    """A range of addresses that requests come from."""
    try:
        given = IPv4Interface(text)
    except ValueError:
        raise ValueError(f"{quoted(text)} is not an IPv4 range: set it to one like 192.0.2.0/24") from None
    if given.ip != given.network.network_address:
        raise ValueError(f"{given} is an address within a range: set it to {given.network}, or {given.ip}/32")
    if not given.network.prefixlen:
        raise ValueError(f"{given} is every address, as without this line: remove it")
    return given.network


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError(f"{quoted(text)} is not an IPv4 address: set it to one like 10.77.0.10") from None


def _tag_text(text: str, longest: int) -> str:
    """A text that every service takes in a tag: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html"""
    bad = [c for c in text if not (c.isalnum() or c in " +-=._:/@")]
    if bad or len(text) > longest or text != text.strip():
        why = f"cannot have {quoted(bad[0])} in it" if bad else "is too long or has spaces around it"
        raise ValueError(f"{why}: use up to {longest} letters, digits, spaces and + - = . _ : / @")
    return text


def _tag_value(text: str) -> str:
    return _tag_text(text, LONGEST_TAG)


def _own_tag_value(text: str) -> str:
    # CloudFormation takes no empty one.
    if not text:
        raise ValueError("is empty: give it a value or remove the line")
    return _tag_text(text, LONGEST_TAG)


def _own_tag_key(text: str) -> str:
    if text.lower().startswith((OUR_TAGS, AWS_TAGS)) or text.lower() == TAG_NAME.lower():
        raise ValueError(
            f"is set by cloudJHub or AWS: use a key other than {TAG_NAME} that begins neither with {OUR_TAGS} "
            f"nor with {AWS_TAGS}"
        )
    return _tag_text(text, LONGEST_TAG_KEY)


def _together(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Tags that fit on each resource together."""
    if len(tags) > MOST_TAGS:
        raise ValueError(f"has {len(tags)} tags: {MOST_TAGS} is the most")
    characters = sum(len(key) + len(value) for key, value in tags.items())
    if characters > TAG_ROOM:
        raise ValueError(f"has {characters} characters in all keys and values: {TAG_ROOM} is the most")
    if sum(map(len, tags)) > TAG_KEY_ROOM:
        raise ValueError(f"has {sum(map(len, tags))} characters in all keys: {TAG_KEY_ROOM} is the most")
    seen: dict[str, str] = {}
    for key in tags:
        if key.lower() in seen:
            raise ValueError(
                f"{seen[key.lower()]} and {key} differ in case only, which IAM does not accept: remove one"
            )
        seen[key.lower()] = key
    return tags


_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

Whole = Annotated[int, _number(_WHOLE, int)]
Number = Annotated[float, _number(_DECIMAL, float)]
AuditDays = Annotated[Whole, AfterValidator(_kept_days)]
Disk = Annotated[Whole, Field(ge=1, le=LARGEST_DISK)]
Flag = Annotated[bool, _read(_flag)]
Duration = Annotated[timedelta, _read(duration)]
File = Annotated[Path, BeforeValidator(_path)]
AddressRange = Annotated[IPv4Network, _read(_address_range)]
SourceRange = Annotated[IPv4Network, _read(_source_range)]
Address = Annotated[str, _read(_address)]
TagValue = Annotated[str, _read(_tag_value)]
OwnTags = Annotated[
    Mapping[Annotated[str, _read(_own_tag_key)], Annotated[str, _read(_own_tag_value)]],
    AfterValidator(_together),
]
ListedTables = BeforeValidator(_listed)
Listed = (ListedTables, AfterValidator(_distinct))
ClusterName = Annotated[
    str,
    _like(CLUSTER_NAME.pattern, "a letter and up to 31 lower-case letters, digits and hyphens"),
]
Region = Annotated[
    str,
    AfterValidator(supported),
    _like(r"[a-z]{2}(-[a-z]+)+-[0-9]", "a region of AWS, like us-east-1"),
]
Zone = Annotated[
    str,
    _like(r"[a-z]{2}(-[a-z]+)+-[0-9]([a-z]|(-[a-z]+)+-[0-9][a-z])", "a zone of the region, like us-east-1a"),
]
BrandName = Annotated[str, _line(LONGEST_BRAND)]
LoginText = Annotated[str, _line(LONGEST_TEXT)]
Color = Annotated[str, AfterValidator(_color)]
ProfileName = Annotated[str, Field(min_length=1), _line(LONGEST_NAME)]
ProfileText = Annotated[str, _line(LONGEST_DESCRIPTION)]
GroupName = Annotated[str, Field(min_length=1), _line(LONGEST_GROUP)]
Email = Annotated[str, _like(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")]
PolicyArn = Annotated[
    str,
    _like(
        r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]{1,600}",
        "a policy's ARN, like arn:aws:iam::123456789012:policy/OrgBoundary",
    ),
]
KeyArn = Annotated[
    str,
    _like(
        r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key/(mrk-)?[0-9a-f-]{1,36}|alias/(?!aws/)[A-Za-z0-9/_-]{1,250})",
        "the ARN of your key or of an alias of it, like arn:aws:kms:us-east-1:123456789012:alias/hub",
    ),
]
RolePath = Annotated[
    str, _like(r"/(?=.{1,63}\Z)([A-Za-z0-9+=,.@_-]+/)+", "a path like /project/, of at most 64 characters")
]
RolePrefix = Annotated[str, _like(r"[A-Za-z0-9+=,.@_-]{1,32}", "up to 32 letters, digits and + = , . @ _ -")]
Vpc = Annotated[str, _like(r"vpc-[0-9a-f]{8,17}", "a VPC's id, like vpc-0123456789abcdef0")]
Subnet = Annotated[str, _like(r"subnet-[0-9a-f]{8,17}", "a subnet's id, like subnet-0123456789abcdef0")]
Image = Annotated[str, _like(IMAGE_ID, "an AMI's id, like ami-0123456789abcdef0")]
BaseSystem = Annotated[
    str,
    _like(
        "|".join([*map(re.escape, Base), IMAGE_ID]),
        f"{', '.join(Base)} or an AMI's id, like ami-0123456789abcdef0",
    ),
]
InstanceType = Annotated[
    str, _like(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*", "an instance type like t3.medium")
]
Package = Annotated[
    str, _like(r"[A-Za-z0-9][^#]*", "a Python package as pip names it, like pandas or pandas==2.2.3")
]
AptPackage = Annotated[
    str,
    # A minus at the end would remove a package.
    _like(
        r"[a-z0-9]([a-z0-9+.-]*[a-z0-9+])?(=[A-Za-z0-9.+~:-]+)?",
        "a package as Debian and Ubuntu name it, like r-base or r-base=4.3.3-2build2",
    ),
]
Domain = Annotated[
    str,
    _like(
        rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*",
        "the hub's name in the DNS in lower case, like hub.example.org",
    ),
]
HostedZone = Annotated[str, _like(r"[A-Z0-9]{1,32}", "a hosted zone's id, like Z0123456789ABC")]
ChosenZone = Annotated[
    str,
    _like(
        r"none|[A-Z0-9]{1,32}",
        "none, or the id of the hosted zone with the domain, like Z0123456789ABC",
    ),
]
Schedule = Annotated[
    str,
    _like(
        r"rate\((1 (minute|hour|day)|(?!0|1 )[0-9]{1,5} (minutes|hours|days))\)|cron\([^()]{11,100}\)",
        "a schedule as EventBridge writes it, like rate(5 minutes) or rate(1 minute)",
    ),
]
