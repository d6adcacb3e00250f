"""Runs each sweep over the same fleets, in a separate process: calls, CPU, memory, time, and how they grow."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import sweeps
from benchmarks.bench.report import Sample, sample
from benchmarks.peers.fleet import TIMEOUT, Fleet, Seen, fleet_of, serving
from tests.scenarios.cloud import REPOSITORY

INSTALLED = ("-m", "benchmarks.peers.installed")
PEERS = REPOSITORY / "build" / "peers"
"""Where `make peers` installs them."""
CPU_BELOW_PERCENT = 5
"""Averaged over an hour: cloud-custodian's policy stops an instance that uses less."""
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
    """The cost of one sweep. `calls` by "service:Name"; `items` that DynamoDB read, 0 without DynamoDB."""

    calls: Mapping[str, int]
    cpu: float
    megabytes: float
    seconds: float
    items: int = 0

    @property
    def called(self) -> int:
        """The number of all calls."""
        return sum(self.calls.values())

    @property
    def asked(self) -> int:
        """Calls, and items read by them, so that a call that reads more counts more."""
        return self.called + self.items


class WrongStops(Exception):
    """A sweep did not stop exactly the due instances, so its cost cannot be compared."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The same sweep once or more often."""

    runs: tuple[Cost, ...]

    @property
    def first(self) -> Cost:
        """The first run. Calls are the same in all, except that ours combines the stops of a moment into a varying
        number."""
        return self.runs[0]

    @property
    def cpu(self) -> Sample:
        """CPU seconds."""
        return sample(run.cpu for run in self.runs)

    @property
    def megabytes(self) -> float:
        """The highest peak memory."""
        return max(run.megabytes for run in self.runs)

    @property
    def seconds(self) -> Sample:
        """From the sweep's first call to its last."""
        return sample(run.seconds for run in self.runs)


def ours(fleet: Fleet, stop_seconds: float) -> Cost:
    """The product's sweep: `python -m benchmarks.bench.sweeps`."""
    used = sweeps.in_a_process(fleet.users, fleet.due, stop_seconds, running=fleet.running)
    if used["outcomes"] != {"stopped": fleet.due}:
        raise WrongStops(f"ours: {used['outcomes']}")
    services = ("dynamodb", "cloudwatch", "hub", "ec2")
    return Cost(
        calls={f"{one}:{name}": count for one in services for name, count in used[one].items()},
        cpu=used["cpu"],
        megabytes=used["megabytes"],
        seconds=used["seconds"],
        items=used["items_read"],
    )


def idle_culler(fleet: Fleet, stop_seconds: float) -> Cost:
    """The real package's."""
    with serving("benchmarks.peers.hub", fleet, stop_seconds) as hub:
        timeout = str(int(TIMEOUT.total_seconds()))
        used = _run([_python("idle-culler"), *INSTALLED, "idle-culler", f"{hub.url}/hub/api", timeout])
        return _cost("idle-culler", fleet, used, hub.seen())


def custodian(fleet: Fleet, stop_seconds: float) -> Cost:
    """The real package's."""
    with (
        serving("benchmarks.peers.aws", fleet, stop_seconds) as aws,
        tempfile.TemporaryDirectory() as folder,
    ):
        policy = Path(folder) / "policy.yml"
        policy.write_text(POLICY)
        output = str(Path(folder) / "output")
        command = [_python("custodian"), *INSTALLED, "custodian", str(policy), output]
        used = _run(command, AWS_ENDPOINT_URL=aws.url)
        return _cost("cloud-custodian", fleet, used, aws.seen())


def cloudjhub(fleet: Fleet, stop_seconds: float) -> Cost:
    """The model's."""
    with (
        serving("benchmarks.peers.hub", fleet, stop_seconds) as hub,
        serving("benchmarks.peers.aws", fleet, 0) as aws,
    ):
        used = _run([sys.executable, "-m", "benchmarks.peers.cloudjhub", f"{hub.url}/hub/api", aws.url])
        of_hub, of_aws = hub.seen(), aws.seen()
        both = Seen(of_hub.calls + of_aws.calls, of_hub.stopped + of_aws.stopped)
        return _cost("cloudJHub", fleet, used, both)


def are_installed() -> bool:
    """Are the peers' environments installed?"""
    return all((PEERS / name / ".ready").is_file() for name in ("idle-culler", "custodian"))


def _python(environment: str) -> str:
    return str(PEERS / environment / "bin" / "python")


def _run(command: Sequence[str], **variables: str) -> Mapping[str, Any]:
    """Its last line of output. The environment contains no proxy, no configuration, no real credentials."""
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


def _cost(name: str, fleet: Fleet, used: Mapping[str, Any], seen: Seen) -> Cost:
    if not fleet.has_stopped_rightly(seen.stopped):
        raise WrongStops(f"{name} stopped {len(seen.stopped)} of {fleet.due}")
    return Cost(calls=seen.calls, cpu=used["cpu"], megabytes=used["megabytes"], seconds=used["seconds"])


Sweep = Callable[[Fleet, float], Cost]

OURS = "cloudJHub (ours)"
SWEEPS: Mapping[str, Sweep] = {
    OURS: ours,
    "jupyterhub-idle-culler": idle_culler,
    "cloud-custodian": custodian,
    "cloudJHub (before), a model": cloudjhub,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`by_fleet`: what each sweep cost, fleets in the order of their size. `slow`: with stops of `stop_seconds`."""

    by_fleet: Mapping[Fleet, Mapping[str, Costs]]
    slow_fleet: Fleet
    stop_seconds: float
    slow: Mapping[str, Costs]

    @property
    def names(self) -> Sequence[str]:
        """Ours first."""
        return list(self.slow)

    def shared(self) -> list[Fleet]:
        """The fleets of all sweeps."""
        return [fleet for fleet, costs in self.by_fleet.items() if len(costs) == len(self.names)]

    def of(self, name: str) -> Mapping[Fleet, Costs]:
        """The costs of one sweep."""
        return {fleet: costs[name] for fleet, costs in self.by_fleet.items() if name in costs}

    def growth(self, name: str, measured: Callable[[Costs], float]) -> float:
        """The largest shared fleet's value as a multiple of the smallest's."""
        fleets = self.shared()
        return measured(self.by_fleet[fleets[-1]][name]) / measured(self.by_fleet[fleets[0]][name])


def compare(
    sizes: Sequence[int],
    ours_too: Sequence[int],
    due: int,
    stop_seconds: float,
    repetitions: int,
    progress: Callable[[str], None],
    sweeps: Mapping[str, Sweep] = SWEEPS,
) -> Comparison:
    """Measures all sweeps with these numbers of running workers (`sizes`), and ours with more. `progress` gets the
        progress.

    With slow stops all of the fleet is due, so that the time for checking the others does not count.
    """
    by_fleet = {}
    for running in sorted({*sizes, *ours_too}):
        fleet = fleet_of(running, due)
        names = list(sweeps) if running in sizes else [OURS]
        progress(fleet.title)
        by_fleet[fleet] = {name: _repeated(sweeps[name], fleet, 0, repetitions) for name in names}
    slow_fleet = Fleet(users=due, running=due, due=due)
    progress(f"{due} due, each stop {stop_seconds:g} s")
    slow = {name: _repeated(sweep, slow_fleet, stop_seconds, 1) for name, sweep in sweeps.items()}
    return Comparison(by_fleet=by_fleet, slow_fleet=slow_fleet, stop_seconds=stop_seconds, slow=slow)


def _repeated(sweep: Sweep, fleet: Fleet, stop_seconds: float, times: int) -> Costs:
    return Costs(tuple(sweep(fleet, stop_seconds) for _ in range(times)))
