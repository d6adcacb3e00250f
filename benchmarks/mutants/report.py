"""docs/mutants.md, written from a run."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from benchmarks.mutants.outcome import Mutant, Verdict

HEAD = """# Mutants

Written by `make mutants` on {at:%Y-%m-%d}, with mutmut {version}. The reasons are in
`benchmarks/mutants/survivors.toml`.

A mutant is the code with one change: `<` for `<=`, `and` for `or`, an argument or a `case` left out, `None`
for a value. The tests are run against each; a mutant that no test notices survives. **{killed} of {total} mutants are
killed, {rate:.1%}.** The command fails below {least:.0%}, and when one survives that is not explained below.

The code that decides which worker is stopped, and that records it, is mutated: the model and the use cases of
`lifecycle_app`, and `hub/spawn/spawner.py`. A mutant is tried by the tests that run its function, of those that need
no emulator (`[tool.mutmut]` in `pyproject.toml`).

Not mutated, by configuration: lines that begin a log call, and `ports.py`, which does nothing. Not mutated, because
mutmut cannot: the values of constants and the defaults of fields, the text in f-strings, and arguments of
decorators. Properties are mutated: `benchmarks/mutants/staging.py` rewrites them so that mutmut can. Messages to users
and in the history are mutated, and their text is tested.

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
