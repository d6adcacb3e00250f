"""Runs every check and collects the problems, so that all of them are reported at once."""

from collections.abc import Callable, Iterable

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.aws.errors import code_of, message_of
from bootstrap.aws.site import Site
from bootstrap.preflight import (
    keys,
    lasting,
    login,
    machines,
    names_taken,
    permissions,
    profiles,
    quotas,
    roles,
    subnets,
)
from bootstrap.preflight.problem import Problem, warning

FORBIDDEN = ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException")
Check = Callable[[Site], Iterable[Problem]]
CHECKS: dict[str, Check] = {
    "permissions": permissions.problems,
    "names": names_taken.problems,
    "roles": roles.problems,
    "the key": keys.problems,
    "the network": subnets.problems,
    "what cannot change": lasting.problems,
    "instance types": machines.type_problems,
    "profiles": profiles.problems,
    "processors": machines.kept_problems,
    "the account's plan": machines.plan_problems,
    "images": machines.image_problems,
    "quotas": quotas.problems,
    "login": login.problems,
}


def check(site: Site) -> list[Problem]:
    """All problems, those that prevent `up` first; [] if there are none. Creates nothing.

    Without valid credentials that is the only problem: nothing else can be asked.
    """
    found = permissions.credential_problems(site)
    if not found:
        found = [problem for topic, one in CHECKS.items() for problem in _asked(topic, one, site)]
    return sorted(dict.fromkeys(found), key=lambda problem: not problem.refuses)


def _asked(topic: str, one: Check, site: Site) -> list[Problem]:
    """The problems that a check finds; a warning where AWS does not allow the check."""
    try:
        return list(one(site))
    except ClientError as error:
        code, operation = code_of(error), error.operation_name
        if code in FORBIDDEN:
            return [
                warning(f"cannot check {topic}: {site.aws.caller} may not call {operation}: allow this call")
            ]
        message = message_of(error)
        return [warning(f"cannot check {topic}: {operation} returned {code}: {message}: try again")]
    except BotoCoreError as error:
        return [warning(f"cannot check {topic}: {error}: try again")]
