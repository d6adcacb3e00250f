"""Who called what: a bounded record of AWS calls, and their counts."""

from collections import Counter, deque
from dataclasses import asdict, dataclass
from threading import Lock

from bootstrap.local.cloud.asked import Asked

KEPT = 5000
QUESTIONS_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One AWS call; `at` in epoch seconds, `error` is AWS's code, `took` in seconds, `instances` those it names."""

    number: int
    at: float
    principal: str
    service: str
    action: str
    error: str | None
    took: float
    instances: tuple[str, ...] = ()


class CallLog:
    """The newest calls and the counts of all calls since the start."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._records: deque[CallRecord] = deque(maxlen=KEPT)
        self._actions: Counter[str] = Counter()
        self._principals: dict[str, Counter[str]] = {}
        self._questions: dict[tuple[str, Asked | str], None] = {}
        self._number = 0

    def add(
        self,
        *,
        at: float,
        principal: str,
        service: str,
        action: str,
        error: str | None,
        took: float,
        instances: tuple[str, ...] = (),
    ) -> None:
        name = f"{service}:{action}"
        with self._lock:
            self._number += 1
            self._records.append(
                CallRecord(self._number, at, principal, service, action, error, took, instances)
            )
            self._actions[name] += 1
            self._principals.setdefault(principal, Counter())[name] += 1

    def add_asked(self, role: str, call: str, asked: tuple[Asked, ...] | None) -> None:
        """Keeps what IAM would have been asked about a call of the role, each question once; its name if unknown."""
        with self._lock:
            for question in (call,) if asked is None else asked:
                if len(self._questions) < QUESTIONS_KEPT:
                    self._questions[role, question] = None

    def questions(self) -> list[dict[str, object]]:
        """The roles, and what IAM would have been asked about their calls since the start, or `unknown` calls."""
        with self._lock:
            return [
                {"role": role, "unknown": question}
                if isinstance(question, str)
                else {"role": role, **asdict(question)}
                for role, question in self._questions
            ]

    def since(self, number: int) -> list[dict[str, object]]:
        """The kept calls after the one of this number, oldest first."""
        with self._lock:
            return [asdict(record) for record in self._records if record.number > number]

    def counts(self) -> dict[str, object]:
        with self._lock:
            return {
                "total": self._number,
                "actions": dict(self._actions),
                "principals": {name: dict(counts) for name, counts in self._principals.items()},
            }
