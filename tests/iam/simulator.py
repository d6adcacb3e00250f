"""Asks @cloud-copilot/iam-simulate, which evaluates conditions, in one run of node for a whole batch."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bootstrap.local.programs import node

HERE = Path(__file__).parent
ACCOUNT = "123456789012"

Context = Mapping[str, str | Sequence[str]]
Result = Literal["Allowed", "ImplicitlyDenied", "ExplicitlyDenied"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May a role with these policies (by their keys) do that to this resource?

    With `any_context`, conditions are taken as fulfilled, and "*" as resource means any one.
    """

    policies: tuple[str, ...]
    action: str
    resource: str
    context: Context = field(default_factory=dict)
    principal: str = f"arn:aws:iam::{ACCOUNT}:role/asking"
    trust: Mapping[str, Any] | None = None
    any_context: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    access: (
        str  # as AWS lists it: "List", "Read", "Write", "Tagging, Write" or "Permissions management, Write"
    )

    @property
    def changes(self) -> bool:
        return "Write" in self.access or "Tagging" in self.access or "Permissions" in self.access


def judge(policies: Mapping[str, Mapping[str, Any]], questions: Sequence[Question]) -> list[Result]:
    """The simulator's answers, in order.

    Raises ValueError for a question that AWS could not be asked: an action that is none, a resource it does not
    apply to, a condition key that EC2 and the like do not send with it. So no case can pass by a spelling mistake.
    """
    answer = _run({"policies": policies, "questions": [_as_json(question) for question in questions]})
    for question, verdict in zip(questions, answer["answers"], strict=True):
        if "error" in verdict or (verdict["ignored"] and not question.any_context):
            raise ValueError(f"not a request AWS knows: {question}: {verdict}")
    return [verdict["result"] for verdict in answer["answers"]]


def catalogue(*services: str) -> list[Action]:
    """All actions AWS has in these services."""
    return [Action(**action) for action in _run({"services": services})["actions"]]


def _as_json(question: Question) -> dict[str, Any]:
    return {
        "policies": question.policies,
        "action": question.action,
        "resource": question.resource,
        "context": dict(question.context),
        "principal": question.principal,
        "account": ACCOUNT,
        "trust": question.trust,
        "any_context": question.any_context,
    }


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    if not (HERE / "node_modules/@cloud-copilot/iam-simulate").is_dir():
        raise RuntimeError("the IAM simulator is not installed: run `make setup-test`, as `make test` does")
    done = subprocess.run(
        [node(), str(HERE / "judge.mjs")],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise RuntimeError(f"the IAM simulator failed: {done.stderr.strip()[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
