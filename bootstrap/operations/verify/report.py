"""The report of a run, as JSON and as Markdown. Pure: nothing in it names the account."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bootstrap.operations.verify.assumptions import assumptions, sections
from bootstrap.operations.verify.redaction import redacted, shareable
from bootstrap.operations.verify.verdict import Observation, Verdict, not_observed

BY_HAND = not_observed("only by hand")
WEIGHT = {Verdict.NOT_OBSERVED: 0, Verdict.CONFIRMED: 1, Verdict.REFUTED: 2}
EMULATED = "**This was an emulator, not AWS.** It confirms nothing; the rows say what it did."


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was observed, when and where. `on_aws`: not of an emulator. `steps`: seconds of each, in their order."""

    cluster: str
    region: str
    version: str
    began: datetime
    ended: datetime
    on_aws: bool
    observed: Sequence[Observation]
    steps: Sequence[tuple[str, float]] = field(default=())
    failed: str = ""
    """Why the walk did not come to its end; "" if it did."""


def document(run: Run) -> dict[str, Any]:
    """The report for programs."""
    seen = strongest(run.observed)
    rows = []
    for one in assumptions():
        found = seen.get(one.id, Observation(one.id, BY_HAND))
        rows.append(
            {
                "id": one.id,
                "assumed": one.assumed,
                "verdict": str(found.judged.verdict),
                "message": redacted(found.judged.message),
                "check": one.check,
                "evidence": shareable(found.evidence),
            }
        )
    return {
        "cluster": run.cluster,
        "region": run.region,
        "version": run.version,
        "began": run.began.isoformat(timespec="seconds"),
        "ended": run.ended.isoformat(timespec="seconds"),
        "on_aws": run.on_aws,
        "failed": redacted(run.failed),
        "counts": dict(Counter(row["verdict"] for row in rows)),
        "seconds": [{"step": step, "seconds": round(seconds, 1)} for step, seconds in run.steps],
        "assumptions": rows,
    }


def strongest(observed: Sequence[Observation]) -> dict[str, Observation]:
    """One observation of each assumption, by its id, where several looks saw it: what was refuted once is."""
    found: dict[str, Observation] = {}
    for one in observed:
        before = found.get(one.id)
        if before is None or WEIGHT[one.judged.verdict] >= WEIGHT[before.judged.verdict]:
            found[one.id] = one
    return found


def markdown(report: Mapping[str, Any]) -> str:
    """The report for people, of `document`'s."""
    counts = ", ".join(f"{report['counts'].get(str(one), 0)} {one}" for one in Verdict)
    parts = [
        f"# What `cloudjhub verify` saw in {report['region']}",
        f"Cluster {report['cluster']}, version {report['version']}, {report['began']} to {report['ended']}: {counts}.",
    ]
    if not report["on_aws"]:
        parts.append(EMULATED)
    if report["failed"]:
        parts.append(f"The run did not come to its end: {_cell(report['failed'])}")
    if report["seconds"]:
        rows = [f"| {_cell(one['step'])} | {one['seconds']:.1f} |" for one in report["seconds"]]
        parts.append("\n".join(["## Times", "", "| step | seconds |", "|---|---:|", *rows]))
    by_id = {row["id"]: row for row in report["assumptions"]}
    for section in sections():
        if section.rows:
            lines = [f"| {_line(by_id[one.id])} |" for one in section.rows]
            parts.append(
                "\n".join([f"## {section.title}", "", "| | assumption | seen |", "|---|---|---|", *lines])
            )
    parts.append("## Evidence")
    for row in report["assumptions"]:
        if row["evidence"] not in (None, {}, []):
            text = json.dumps(row["evidence"], ensure_ascii=False)
            parts.append(f"`{row['id']}`: {row['verdict']}\n\n```json\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def _line(row: Mapping[str, Any]) -> str:
    return f"{row['verdict']} | {row['assumed']} | {_cell(row['message'])}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
