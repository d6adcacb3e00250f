"""What commands write to the audit log."""

from collections.abc import Sequence

from bootstrap.aws.site import Site
from bootstrap.cli.terminal import echo
from bootstrap.operations.audit import Act, record
from bootstrap.operations.workers.listing import ListedWorker


def audit(site: Site, *acts: Act) -> None:
    """Writes what has been done; a warning says if that cannot be written."""
    problem = record(site, acts) if acts else ""
    if problem:
        done = ", ".join(f"{one.action} {one.target}" for one in acts[:3])
        echo(f"warning: this is not in the audit log: {done}: {problem}", err=True)


def audit_workers(site: Site, action: str, workers: Sequence[ListedWorker]) -> None:
    """A line for each of these workers."""
    audit(site, *(Act(action, one.key, one.instance_id) for one in workers))
