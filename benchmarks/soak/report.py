"""The results of a soak, as one table."""

from collections import Counter
from collections.abc import Sequence

from benchmarks.bench.counting import HUB
from benchmarks.soak.audit import Violation, entry_of, idle_since, of_event, stops
from benchmarks.soak.story import Event, Story
from benchmarks.soak.timeline import existences, runs

INVARIANTS = {
    "I1": "no stop after newer activity or a newer login",
    "I2": "at most one live machine for each worker",
    "I3": "every machine has a record, every record a machine",
    "I4": "the records are right, independent of the events",
    "I6": "idle workers are stopped in time",
    "I7": "every login gets an answer, no server, kernel or login lost",
    "I9": "each part did only its own job",
    "I10": "every file is there",
    "reasons": "every stop says why",
}


def table(story: Story, violations: Sequence[Violation], seed: int) -> str:
    """A line for each invariant: what it was checked against, and how often it was violated."""
    found = Counter(one.invariant for one in violations)
    judged = figures(story)
    lines = [
        f"| {name} | {promise} | {judged[name]} | {found[name]} |" for name, promise in INVARIANTS.items()
    ]
    faults = Counter(one.name for one in story.faults)
    incidents = Counter(one.how for one in story.crashes)
    return "\n".join(
        [
            f"Soak with seed {seed}",
            "",
            "| | invariant | judged by | violations |",
            "|---|---|---|---|",
            *lines,
            "",
            "Faults: " + ", ".join(f"{name} {count}" for name, count in sorted((faults + incidents).items())),
            *(["", *map(str, violations)] if violations else []),
        ]
    )


def figures(story: Story) -> dict[str, str]:
    """How much was checked."""
    events = Counter(one.event for one in story.seen)
    reasons = Counter(
        entry.reason if (entry := entry_of(story, call)) else "nothing" for call, _ in stops(story)
    )
    launches = sum(
        1 for one in story.calls if one.caller == HUB and one.action == "RunInstances" and not one.error
    )
    idle = [(run.ended - idle_since(story, run)).total_seconds() for run in runs(story)]
    logins = f"{events[Event.ASKED]} logins ({events[Event.FAILED]} refused for a fault)"
    return {
        "I1": f"{len(list(stops(story)))} stops ({', '.join(f'{n} {r}' for r, n in reasons.most_common())})",
        "I2": f"{launches} launches of {sum(map(len, existences(story).values()))} machines",
        "I3": f"{len(story.records)} records, {sum(map(len, existences(story).values()))} machines",
        "I4": f"{len(story.transitions)} changes of state",
        "I6": f"{len(idle)} runs, idle for at most {max(idle, default=0):.0f} s after activity and faults",
        "I7": f"{logins}, {len(list(of_event(story, Event.LOST)))} losses explained by stops and crashes",
        "I9": f"{len(story.calls)} calls that start or end machines",
        "I10": f"{events[Event.WROTE]} files written, {events[Event.READ]} read again",
        "reasons": f"{len(story.history)} entries",
    }
