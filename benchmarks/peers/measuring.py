"""Everybody's sweep over the same fleet, each in a process of its own: calls, CPU, memory and time."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import sweeps
from benchmarks.bench.samples import Sample, sample
from benchmarks.peers.fleet import TIMEOUT, Fleet
from benchmarks.peers.serving import Seen, standing
from tests.scenarios.cloud import REPOSITORY

PEERS = REPOSITORY / "build" / "peers"
"""Where `make peers` installs them."""
CPU_BELOW_PERCENT = 5
"""Averaged over an hour: whoever uses less is stopped by cloud-custodian's policy."""
POLICY = f"""\
policies:
  - name: idle
    resource: aws.ec2
    query:
      - instance-state-name: running
    filters:
      - {{type: instance-uptime, op: ge, days: 0.0417}}
      - {{type: metrics, name: CPUUtilization, days: 0.0417, period: 3600, op: less-than, value: {CPU_BELOW_PERCENT}}}
    actions: [stop]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One sweep's. `calls` by "service:Name"; `items` that DynamoDB read, 0 for whoever has no DynamoDB."""

    calls: Mapping[str, int]
    cpu: float
    megabytes: float
    seconds: float
    items: int = 0

    @property
    def called(self) -> int:
        """How often anybody was asked for anything."""
        return sum(self.calls.values())

    @property
    def asked(self) -> int:
        """Calls, and items read by them: a call that reads more shall not count as one that reads little."""
        return self.called + self.items


class WrongStops(Exception):
    """A sweep stopped others than those that were due: its cost is no cost of that work."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The same sweep once or more often."""

    runs: tuple[Cost, ...]

    @property
    def first(self) -> Cost:
        """Calls are the same in all, but that ours joins the stops of a moment, and so makes some more or fewer."""
        return self.runs[0]

    @property
    def cpu(self) -> Sample:
        """CPU seconds."""
        return sample(run.cpu for run in self.runs)

    @property
    def megabytes(self) -> float:
        """The most that one of them had in memory."""
        return max(run.megabytes for run in self.runs)

    @property
    def seconds(self) -> Sample:
        """From the sweep's first call to its last."""
        return sample(run.seconds for run in self.runs)


def ours(fleet: Fleet, stop_seconds: float) -> Cost:
    """The product's sweep: `python -m benchmarks.bench.sweeps`."""
    told = sweeps.in_a_process(fleet.users, fleet.due, stop_seconds, running=fleet.running)
    if told["outcomes"] != {"stopped": fleet.due}:
        raise WrongStops(f"ours: {told['outcomes']}")
    services = ("dynamodb", "cloudwatch", "hub", "ec2")
    return Cost(
        calls={f"{one}:{name}": count for one in services for name, count in told[one].items()},
        cpu=told["cpu"],
        megabytes=told["megabytes"],
        seconds=told["seconds"],
        items=told["items_read"],
    )


def idle_culler(fleet: Fleet, stop_seconds: float) -> Cost:
    """The real package's."""
    with standing("benchmarks.peers.hub", fleet, stop_seconds) as hub:
        timeout = str(int(TIMEOUT.total_seconds()))
        told = _run(
            [_python("idle-culler"), "-m", "benchmarks.peers.idle_culler", f"{hub.url}/hub/api", timeout]
        )
        return _cost("idle-culler", fleet, told, hub.seen())


def custodian(fleet: Fleet, stop_seconds: float) -> Cost:
    """The real package's."""
    with (
        standing("benchmarks.peers.aws", fleet, stop_seconds) as aws,
        tempfile.TemporaryDirectory() as folder,
    ):
        policy = Path(folder) / "policy.yml"
        policy.write_text(POLICY)
        output = str(Path(folder) / "output")
        command = [_python("custodian"), "-m", "benchmarks.peers.custodian", str(policy), output]
        told = _run(command, AWS_ENDPOINT_URL=aws.url)
        return _cost("cloud-custodian", fleet, told, aws.seen())


def cloudjhub(fleet: Fleet, stop_seconds: float) -> Cost:
    """The model's."""
    with (
        standing("benchmarks.peers.hub", fleet, stop_seconds) as hub,
        standing("benchmarks.peers.aws", fleet, 0) as aws,
    ):
        told = _run([sys.executable, "-m", "benchmarks.peers.cloudjhub", f"{hub.url}/hub/api", aws.url])
        of_hub, of_aws = hub.seen(), aws.seen()
        both = Seen(of_hub.calls + of_aws.calls, of_hub.stopped + of_aws.stopped)
        return _cost("cloudJHub", fleet, told, both)


def are_installed() -> bool:
    """Are the peers' environments there?"""
    return all((PEERS / name / ".ready").is_file() for name in ("idle-culler", "custodian"))


def _python(environment: str) -> str:
    return str(PEERS / environment / "bin" / "python")


def _run(command: Sequence[str], **variables: str) -> Mapping[str, Any]:
    """What it printed last. It knows of nobody but who is named: no proxy, no configuration, no real credentials."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **variables,
    }
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _cost(name: str, fleet: Fleet, told: Mapping[str, Any], seen: Seen) -> Cost:
    if not fleet.has_stopped_rightly(seen.stopped):
        raise WrongStops(f"{name} stopped {len(seen.stopped)} of {fleet.due}")
    return Cost(calls=seen.calls, cpu=told["cpu"], megabytes=told["megabytes"], seconds=told["seconds"])
