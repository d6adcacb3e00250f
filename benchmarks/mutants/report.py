"""docs/mutants.md, written from a run."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from benchmarks.mutants.outcome import Mutant, Verdict

HEAD = """# Mutants

Written by `make mutants` on {at:%Y-%m-%d}, with mutmut {version}. The reasons are in
`benchmarks/mutants/survivors.toml`.

A mutant is the code with one thing changed: `<` for `<=`, `and` for `or`, an argument or a `case` left out, `None`
for a value. The tests are run against each; one that no test notices survives. **{killed} of {total} mutants are
killed, {rate:.1%}.** The command fails below {least:.0%}, and when one survives that is not explained below.

Mutated is what decides who is stopped and what is written about it: the core of `lifecycle_app`, its `service`, and
`hub/spawn/spawner.py`. A mutant is tried by the tests that run its function, out of those that need no emulator
(`[tool.mutmut]` in `pyproject.toml`).

Not mutated, by configuration: lines that begin a call of the log, and `ports.py`, which does nothing. Not mutated
either, because mutmut cannot: the values of constants and the defaults of fields, the text in f-strings, and what a
decorator holds. Properties are mutated all the same: `benchmarks/mutants/staging.py` writes them so that mutmut can.
What
is told to users and kept in the history is mutated, and its words are tested.

"""


def markdown(mutants: Sequence[Mutant], verdict: Verdict, *, at: datetime, version: str, least: float) -> str:
    """The whole page."""
    head = HEAD.format(
        at=at, version=version, killed=verdict.killed, total=verdict.total, rate=verdict.rate, least=least
    )
    return head + _modules(mutants) + _survivors(verdict)


def _modules(mutants: Sequence[Mutant]) -> str:
    total = Counter(one.module for one in mutants)
    killed = Counter(one.module for one in mutants if one.is_killed)
    rows = [
        f"| `{name}` | {count} | {count - killed[name]} | {killed[name] / count:.1%} |"
        for name, count in sorted(total.items())
    ]
    return "\n".join(["| module | mutants | survivors | killed |", "|---|---|---|---|", *rows, "", ""])


def _survivors(verdict: Verdict) -> str:
    lines = ["## Survivors", ""]
    groups: dict[tuple[str, str, str], list[str]] = {}
    for mutant, explanation in verdict.explained.items():
        key = (mutant.function, mutant.change[0], f"{explanation.kind}: {explanation.reason}")
        groups.setdefault(key, []).append(mutant.change[1])
    for (function, was, why), becomes in groups.items():
        lines += [
            f"`{function}`: {why}",
            "",
            "```diff",
            f"- {was}",
            *(f"+ {one}" for one in becomes),
            "```",
            "",
        ]
    return "\n".join(lines)
