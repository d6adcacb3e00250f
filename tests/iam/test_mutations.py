"""The proof of the proof: weaken or cripple any part of a policy, and at least one case of the matrix turns red."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain

import pytest

from bootstrap.cluster.policies.resources import Document, Statement
from tests.iam.asking import POLICIES, Request, decide_each, granting
from tests.iam.matrix import REQUESTS
from tests.iam.test_policies import ADMINISTRATOR


@dataclass(frozen=True, slots=True)
class Mutant:
    what: str
    policy: Document
    changed: Statement  # as it stands in the right policy


def _mutants(policy: Document) -> Iterator[Mutant]:
    """Cut from a denial's list of verbs, one verb may change no case: the catalogue's test looks at those."""
    for number, statement in enumerate(policy["Statement"]):
        sid = statement["Sid"]
        yield Mutant(f"{sid} left out", _replaced(policy, number, None), statement)
        ways = [_weaker_conditions(statement)]
        if statement["Effect"] == "Allow":
            ways.append(_other_reach(statement))
        for changed, how in chain(*ways):
            yield Mutant(f"{sid}: {how}", _replaced(policy, number, changed), statement)


def _replaced(policy: Document, number: int, statement: Statement | None) -> Document:
    statements = list(policy["Statement"])
    statements[number : number + 1] = [statement] if statement else []
    return {**policy, "Statement": statements}


def _weaker_conditions(statement: Statement) -> Iterator[tuple[Statement, str]]:
    """One condition key less."""
    for operator, keys in statement.get("Condition", {}).items():
        for key in keys:
            changed = copy.deepcopy(statement)
            del changed["Condition"][operator][key]
            if not changed["Condition"][operator]:
                del changed["Condition"][operator]
            if not changed["Condition"]:
                del changed["Condition"]
            yield changed, f"without {operator} {key}"


def _other_reach(statement: Statement) -> Iterator[tuple[Statement, str]]:
    """One action or resource less, or any resource at all."""
    for part in ("Action", "Resource"):
        for value in statement[part]:
            fewer = [one for one in statement[part] if one != value]
            if fewer:
                yield {**statement, part: fewer}, f"without {value}"
    if statement["Resource"] != ["*"]:
        yield {**statement, "Resource": ["*"]}, "on anything"


def _concerned(changed: Statement) -> dict[str, Request]:
    """The requests whose action the changed statement speaks of: no others can be decided differently."""
    if "NotAction" in changed:
        return dict(REQUESTS)
    spoken_of = changed["Action"]
    return {
        name: request
        for name, request in REQUESTS.items()
        if any(fnmatchcase(request.action, action) for action in spoken_of)
    }


# The functions are made of the same statements: reconcile has all of them but the one for terminating.
@pytest.mark.parametrize("role", ["manager", "worker", "builder", "reconcile", "remove_stopped"])
def test_every_part_of_a_policy_is_held_by_a_case(role: str) -> None:
    """A grant is judged without the denials, a denial beside full access: where nothing else refuses."""
    bearers: dict[str, tuple[str, ...]] = {}
    policies: dict[str, Document] = {"administrator": ADMINISTRATOR}
    cases: dict[str, dict[str, Request]] = {}
    mutants = list(_mutants(POLICIES[role]))
    for mutant in mutants:
        is_grant = mutant.changed["Effect"] == "Allow"
        for name, policy in ((mutant.what, mutant.policy), (f"right: {mutant.what}", POLICIES[role])):
            policies[name] = granting(policy) if is_grant else policy
            bearers[name] = (name,) if is_grant else (name, "administrator")
            cases[name] = _concerned(mutant.changed)
    decided = decide_each(policies, bearers, cases)
    assert mutants
    assert [m.what for m in mutants if decided[m.what] == decided[f"right: {m.what}"]] == []
