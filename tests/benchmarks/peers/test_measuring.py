"""What a sweep's cost is made of."""

import subprocess
import sys
from collections import Counter

import pytest

from benchmarks.bench import sweeps
from benchmarks.peers import measuring
from benchmarks.peers.fleet import Fleet, Seen
from benchmarks.peers.installed import metered, peak_megabytes

FLEET = Fleet(users=3, running=2, due=1)
TOLD = {"cpu": 1.5, "megabytes": 60, "seconds": 2.5}


def test_a_cost_has_the_servers_counts_and_the_process_s_figures() -> None:
    cost = measuring._cost("peer", FLEET, TOLD, Seen(Counter({"hub:GET /users": 2}), [0]))
    assert (cost.called, cost.cpu, cost.megabytes, cost.seconds) == (2, 1.5, 60, 2.5)


@pytest.mark.parametrize("stopped", [[], [1], [0, 1]])
def test_a_sweep_that_did_not_do_the_work_has_no_cost(stopped: list[int]) -> None:
    with pytest.raises(measuring.WrongStops):
        measuring._cost("peer", FLEET, TOLD, Seen(Counter(), stopped))


def test_ours_is_named_by_service(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {
        **TOLD,
        "outcomes": {"stopped": 1},
        "dynamodb": {"Query": 1},
        "cloudwatch": {"GetMetricData": 2},
        "hub": {"drain": 1},
        "ec2": {"StopInstances": 1},
        "items_read": 3,
    }
    monkeypatch.setattr(sweeps, "in_a_process", lambda *_args, **_options: used)
    cost = measuring.ours(FLEET, 0)
    assert cost.calls == {
        "dynamodb:Query": 1,
        "cloudwatch:GetMetricData": 2,
        "hub:drain": 1,
        "ec2:StopInstances": 1,
    }
    assert (cost.called, cost.asked) == (5, 8)


def test_ours_that_left_a_worker_has_no_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {"outcomes": {"left": 1}}
    monkeypatch.setattr(sweeps, "in_a_process", lambda *_args, **_options: used)
    with pytest.raises(measuring.WrongStops):
        measuring.ours(FLEET, 0)


def test_used_is_printed_last(capsys: pytest.CaptureFixture[str]) -> None:
    with metered():
        print("something else")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith('{"seconds": ')
    assert '"megabytes": ' in last


def test_a_small_child_of_a_large_process_is_small() -> None:
    held = bytearray(b"x") * (64 * 1024 * 1024)
    program = "from benchmarks.peers.installed import peak_megabytes; print(peak_megabytes())"
    child = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert float(child.stdout) < 64 < peak_megabytes(), len(held)
