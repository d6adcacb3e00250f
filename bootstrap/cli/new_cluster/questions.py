"""What `cloudjhub init` asks: each question with its place in cluster.yaml, its default and a hint."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bootstrap.config.choices import Authenticator, Egress, Https
from bootstrap.config.settings import Workers
from bootstrap.costs.tables import SAMPLE, egress_costs, machine_costs
from hub.config.authenticators import CHOICES, FLAG, LIST, TEMPLATES, TEXT, URL
from hub.config.origins import SHARED_ORIGIN, is_name

Answers = dict[str, Any]
"""The keys of cluster.yaml with their values, sections nested."""

WAYS_OUT = {
    Egress.DUAL_STACK: "IPv6 directly, IPv4 through the manager, without IPv4 while it restarts",
    Egress.NAT_GATEWAY: "run by AWS; one address for all; clusters can share it",
    Egress.MANAGER: "the manager forwards; workers have no internet while it restarts",
    Egress.PUBLIC_ADDRESS: "each worker has an address while it runs; it cannot be reached from outside",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question for `key`, with dots. `default` and `hint` may depend on what was answered before."""

    key: str
    text: str
    default: Callable[[Answers], Any]
    hint: Callable[[Answers], Sequence[str]] = lambda _: ()
    choices: tuple[str, ...] = ()
    is_asked: Callable[[Answers], bool] = lambda _: True
    is_list: bool = False


def get(answers: Mapping[str, Any], key: str) -> Any:
    """The answer for a key with dots; None if there is none yet."""
    found: Any = answers
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def put(answers: Answers, key: str, value: Any) -> None:
    """Sets the answer for a key with dots."""
    *sections, name = key.split(".")
    for section in sections:
        answers = answers.setdefault(section, {})
    answers[name] = value


def questions(region: str, owner: str) -> tuple[Question, ...]:
    """In the order in which they are asked; `region` and `owner` are the operator's own, if known."""
    return (
        Question(
            "cluster", "Name of the cluster", lambda _: "jupyter",
            _hint("part of every name; cannot be changed later"),
        ),
        Question("region", "Region of AWS", lambda _: region),
        Question("owner", "Who is responsible for its machines (becomes their Owner tag)", lambda _: owner),
        Question("users", "How many users", lambda _: 20),
        Question("hours", "Hours a month that each user works", lambda _: 30),
        Question(
            "network.egress", "How workers reach the internet", lambda _: Egress.DUAL_STACK.value, _ways_out,
            tuple(one.value for one in Egress), lambda answers: not get(answers, "network.vpc"),
        ),
        Question(
            "workers.types", "Instance types that users choose among, the default one first",
            lambda _: " ".join(Workers().types),
            _machines,
            is_list=True,
        ),
        Question(
            "workers.home_disk", "Home disk of each user in GB", lambda _: Workers().home_disk,
            _hint("$0.08 a GB and month"),
        ),
        Question(
            "manager.domain", "The hub's DNS name, - for none", lambda _: "-",
            _hint(
                "with a DNS name, each user's servers have an origin of their own, and browsers can trust the hub's"
                " certificate;",
                "it needs two DNS records: the name and * below it",
            ),
        ),
        Question(
            "manager.https", "Where its certificate comes from", lambda _: Https.LETS_ENCRYPT.value,
            choices=(Https.LETS_ENCRYPT.value, Https.SELF_SIGNED.value), is_asked=_has_domain,
        ),
        Question(
            "login.trusted_users", "Do all users trust each other", lambda _: "true",
            _hint(f"{SHARED_ORIGIN}; a DNS name prevents that"),
            ("true", "false"), _share_an_origin,
        ),
        Question(
            "login.authenticator", "How users log in", lambda _: Authenticator.NATIVE.value,
            choices=_authenticators(),
        ),
        Question("policy.idle_timeout", "Stop a machine when it has not been used for", lambda _: "1h"),
    )  # fmt: skip


def option_questions(authenticator: str) -> tuple[Question, ...]:
    """The authenticator's required options."""
    choice = CHOICES.get(authenticator)
    return tuple(
        Question(
            f"login.options.{name}", f"{authenticator}: {name} ({option.kind.words})", lambda _: None,
            is_list=option.kind is LIST,
        )
        for name, option in (choice.options if choice else {}).items()
        if option.needed
    )  # fmt: skip


def option_value(authenticator: str, name: str, text: str) -> Any:
    """An option's value in the type that the authenticator expects: list, true or false, number, or text."""
    option = CHOICES[authenticator].options.get(name) if authenticator in CHOICES else None
    if option is not None and option.kind in (LIST, TEMPLATES):
        return [part.strip() for part in text.split(";")]
    if option is not None and option.kind is FLAG and text in ("true", "false"):
        return text == "true"
    if option is not None and option.kind not in (TEXT, URL) and text.isdigit():
        return int(text)
    return text


def _hint(*lines: str) -> Callable[[Answers], Sequence[str]]:
    return lambda _: lines


def _machines(answers: Answers) -> Sequence[str]:
    """What the types have, and what the same size costs on either processor for these users and hours."""
    costs = machine_costs(
        ("t4g.medium", "t3.medium"), int(get(answers, "users")), float(get(answers, "hours"))
    )
    prices = ", ".join(f"{kind} ${dollars:,.0f}" for kind, dollars in costs.items())
    return [
        "arm64: t4g.medium has 4 GB of memory, t4g.large 8, m7g.large 8 and steady CPU",
        "x86_64, for packages that arm64 lacks: t3.medium, t3.large, m7i.large are as large",
        f"a month of all users: {prices}",
    ]


def _ways_out(answers: Answers) -> Sequence[str]:
    """What each choice costs a month for these users and hours."""
    users, hours = int(get(answers, "users")), float(get(answers, "hours"))
    costs = egress_costs(replace(SAMPLE, users=users, hours=hours))
    return [
        f"{egress.value}: ${costs[egress][0]:,.0f} a month; {remark}" for egress, remark in WAYS_OUT.items()
    ]


def _has_domain(answers: Answers) -> bool:
    return bool(get(answers, "manager.domain"))


def _share_an_origin(answers: Answers) -> bool:
    return not is_name(str(get(answers, "manager.domain") or ""))


def _authenticators() -> tuple[str, ...]:
    return tuple(one.value for one in Authenticator if one is not Authenticator.SHARED_PASSWORD)
