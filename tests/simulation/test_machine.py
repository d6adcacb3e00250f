"""Whatever people, operators and failures do in whatever order: no user who works is stopped, and it all ends well.

`CLOUDJHUB_STEPS=100000 pytest tests/simulation/test_machine.py` goes as far as that. A failure prints the steps that
lead to it, and hypothesis keeps and repeats them.
"""

import os
from datetime import timedelta

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bootstrap.local.cloud.ec2.rules import State
from lifecycle_app.model.policy import Policy
from tests.simulation.people import Person
from tests.simulation.world import World

STEPS = int(os.environ.get("CLOUDJHUB_STEPS", "1500"))
STEPS_A_CASE = 50
SEARCHES_FROM = 50_000
"""So many steps look for what was never seen, others each time; fewer check that what holds goes on holding."""
USERS = st.sampled_from(("alice", "bob"))
CALLS = st.sampled_from(
    ("store.get", "metrics.evidence", "metrics.evidence_of_all", "store.put", "hub.drain", "cloud.stop")
)
ACTS = st.sampled_from(("start", "touch", "stop", "kill the hub", "alarm"))
MINUTE = timedelta(minutes=1)
POLICY = Policy(
    idle_timeout=10 * MINUTE, busy_allowance=40 * MINUTE, start_grace=2 * MINUTE, hung_after=20 * MINUTE
)


class Cluster(RuleBasedStateMachine):
    """Two users, one cluster."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = World("machine", policy=POLICY)
        self.people = {name: Person(self.world, name) for name in ("alice", "bob")}
        self.world.run(timedelta(seconds=2))

    @rule(seconds=st.sampled_from((1, 5, 20, 60, 180, 700)))
    def wait(self, seconds: int) -> None:
        self.world.run(timedelta(seconds=seconds))

    @rule(name=USERS)
    def press_start(self, name: str) -> None:
        self.world.loop.create_task(self.people[name].log_in())

    @rule(name=USERS)
    def log_in_and_leave_for_long(self, name: str) -> None:
        self.press_start(name)
        self.world.run(timedelta(seconds=130))
        self.people[name].touch()
        self.world.run(POLICY.idle_timeout - timedelta(seconds=30))

    @rule(name=USERS, call=CALLS, act=ACTS)
    def act_just_then(self, name: str, call: str, act: str) -> None:
        """A person, or a failure, in the very moment of a function's call."""
        acts = {
            "start": lambda: self.press_start(name),
            "touch": lambda: self.people[name].touch(),
            "stop": lambda: self.press_stop(name),
            "kill the hub": lambda: self.world.kill_hub(),
            "alarm": lambda: self.fire_the_alarm(name),
        }
        self.world.functions.ambushes.append((call, acts[act]))

    @rule(name=USERS, call=CALLS, act=ACTS, then=st.sampled_from((0, 3, 60)))
    def leave_for_long_and_act_when_it_is_being_stopped(
        self, name: str, call: str, act: str, then: int
    ) -> None:
        self.log_in_and_leave_for_long(name)
        self.act_just_then(name, call, act)
        self.world.run(timedelta(seconds=90))
        self.world.loop.call_later(then, self.press_start, name)

    @rule(name=USERS, seconds=st.sampled_from((0, 40)))
    def do_something(self, name: str, seconds: int) -> None:
        self.people[name].touch()
        self.world.run(timedelta(seconds=seconds))

    @rule(name=USERS, minutes=st.sampled_from((1, 12, 90)))
    def run_a_cell(self, name: str, minutes: int) -> None:
        self.people[name].run(minutes * MINUTE)

    @rule(name=USERS)
    def press_stop(self, name: str) -> None:
        self.world.loop.create_task(self.people[name].press_stop())

    @rule(seconds=st.sampled_from((1, 30, 900)))
    def kill_the_hub(self, seconds: int) -> None:
        self.world.kill_hub(timedelta(seconds=seconds))

    @rule(probability=st.sampled_from((0.0, 0.05, 0.3)))
    def change_how_much_fails(self, probability: float) -> None:
        self.world.faults, self.world.faults_ended = probability, self.world.now()

    @rule(name=st.sampled_from(("sweep", "reconcile", "record_activity")))
    def run_a_pass_besides(self, name: str) -> None:
        self.world.scheduled(name)

    @rule(name=USERS)
    def fire_the_alarm(self, name: str) -> None:
        record = self.world.store.workers.get(name)
        if record is not None:
            self.world._on_alarm(f"cloudjhub-test-idle-{record.instance_id}", record.instance_id)

    @rule(name=USERS, how=st.sampled_from(("stop", "terminate", "start", "power off")))
    def meddle_by_hand(self, name: str, how: str) -> None:
        for machine in list(self.world.ec2.by_user.get(name, {}).values()):
            if how == "terminate":
                self.world.ec2.terminate_instances(InstanceIds=[machine.instance_id])
            elif how == "start" and machine.state is State.STOPPED:
                self.world.ec2.start_instances(InstanceIds=[machine.instance_id])
            elif how != "start" and machine.state is State.RUNNING:
                self.world.ec2.power_off(machine)

    @invariant()
    def no_user_is_wronged(self) -> None:
        type(self).steps += 1
        assert not self.world.audit.violations, "\n".join(map(str, self.world.audit.violations))

    def teardown(self) -> None:
        """Nothing fails any more: within two passes everything agrees, and what is idle is stopped."""
        try:
            self.world.faults, self.world.faults_ended = 0.0, self.world.now()
            self.world.run(timedelta(minutes=65))
            self.world.audit.at_rest()
            self.world.audit.in_time()
            assert not self.world.audit.violations, "\n".join(map(str, self.world.audit.violations))
        finally:
            self.world.close()


def test_no_order_of_events_does_harm() -> None:
    Cluster.steps = 0
    run_state_machine_as_test(
        Cluster,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_A_CASE),
            stateful_step_count=STEPS_A_CASE,
            deadline=None,
            # A long case is told as it was found: making it short takes longer than reading it.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            derandomize=STEPS < SEARCHES_FROM,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{Cluster.steps} steps")
