"""What `status` shows: the cluster at a glance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bootstrap.aws import names, stacks
from bootstrap.aws.instances import found_by_tags
from bootstrap.aws.site import Site
from bootstrap.cluster import functions
from bootstrap.costs import prices_in
from bootstrap.errors import NotBuilt
from bootstrap.machines.image.images import current
from bootstrap.machines.manager_request import ROLE_MANAGER
from bootstrap.operations import budgets, policies
from bootstrap.operations.health.facts import Hub, asked_hub, waiting
from bootstrap.operations.workers.listing import ListedWorker, listed_workers
from lifecycle_app.model import policy_words

DASHBOARD = (
    "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#dashboards/dashboard/{name}"
)
SOUND = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What there is of a cluster. Costs in US dollars, of workers' running time this month."""

    cluster: str
    stacks: Mapping[str, str]
    """Each stack's status, by name; "" where there is none."""
    hub: Hub
    manager: str
    """EC2's word for the manager's state; "" where there is none."""
    image: str
    """What the hub launches; "" before there is one."""
    functions: Mapping[str, bool]
    """Is each of the functions there, and complete?"""
    dead_letters: int
    workers: Mapping[str, int]
    """How many there are in each state."""
    dollars: float | None
    """None where the prices of the region are not known."""
    policy: Mapping[str, str]
    """The policy that is effective for all users, for people."""
    budgets: str
    """How much of the month's budgets is used; "" where there are none."""
    dashboard: str
    """The address of the cluster's dashboard in CloudWatch."""

    @property
    def troubles(self) -> list[str]:
        """What keeps it from working, a line each; `doctor` says more, and what to do. Pure."""
        found = [
            f"the stack {name} is {status or 'missing'}"
            for name, status in self.stacks.items()
            if status not in SOUND
        ]
        if self.manager != "running":
            found.append(f"the manager is {self.manager or 'missing'}")
        if self.hub.trouble:
            found.append(f"the hub does not answer: {self.hub.trouble}")
        if not self.image:
            found.append("the cluster has no worker image")
        found += [
            f"the function {name} is missing or incomplete"
            for name, there in self.functions.items()
            if not there
        ]
        if self.dead_letters:
            found.append(f"{self.dead_letters} events are in the dead-letter queue")
        return found


def overview(site: Site, now: datetime) -> Overview:
    """Asks for all of it. Raises NotBuilt where there is nothing of the cluster."""
    found = require_built(site)
    there = functions.existing(site.aws, site.cluster)
    workers = workers_of(site, now)
    return Overview(
        cluster=site.cluster,
        stacks=found,
        hub=asked_hub(site),
        manager=_manager(site),
        image=site.settings.workers.image or current(site.aws, site.cluster) or "",
        functions={
            name: name in there and bool(there[name].content) for name in names.functions(site.cluster)
        },
        dead_letters=waiting(site),
        workers=Counter(one.state for one in workers),
        dollars=round(sum(one.cost or 0.0 for one in workers), 2) if prices_in(site.aws.region) else None,
        policy=_policy(site),
        budgets=_budgets(site, now),
        dashboard=DASHBOARD.format(region=site.aws.region, name=names.dashboard(site.cluster)),
    )


def require_built(site: Site) -> dict[str, str]:
    """The status of each stack by name, "" where there is none. Raises NotBuilt without any of the cluster's own."""
    formation = site.aws.client("cloudformation")
    found = {name: stacks.current(formation, name) for name in _stacks(site)}
    if not any(found[name] for name in names.stacks(site.cluster)):
        raise site.not_built()
    return {name: stack["StackStatus"] if stack else "" for name, stack in found.items()}


def _stacks(site: Site) -> list[str]:
    network = site.settings.network
    shared = [names.network_stack(network.name)] if network.is_ours else []
    return [*shared, *names.stacks(site.cluster)]


def _manager(site: Site) -> str:
    found = found_by_tags(site.aws, site.cluster, ROLE_MANAGER)
    states = [str(one["State"]["Name"]) for one in found]
    return "running" if "running" in states else next(iter(states), "")


def workers_of(site: Site, now: datetime) -> Sequence[ListedWorker]:
    """All workers, each with what its running time has cost this month; none before there are tables."""
    if not site.outputs(names.stack(site.cluster, "data")):
        return []
    return listed_workers(site, now, with_costs=True)


def _budgets(site: Site, now: datetime) -> str:
    try:
        return budgets.summary(budgets.read(site, now))
    except NotBuilt:
        return ""


def _policy(site: Site) -> dict[str, str]:
    try:
        found = policies.texts(site)
    except NotBuilt:
        return {}
    return {
        one.name: policy_words.readable(one.name, one.value) for one in policy_words.effective("", (), found)
    }
