"""The cluster of a local cloud: the settings that `cloudjhub up` builds it from, as for one on AWS."""

from datetime import timedelta
from pathlib import Path

from bootstrap.config import writing
from bootstrap.config.choices import Egress, Https
from bootstrap.config.settings import ClusterSettings, Login, Manager, Network, Timing, Workers
from bootstrap.local.settings import DOMAIN, REGION, LocalSettings

USERS = {"alice": False, "bob": False, "carol": True}
EVERY_MINUTE = "rate(1 minute)"


def cluster_settings(settings: LocalSettings) -> ClusterSettings:
    """What differs from a cluster on AWS: loopback addresses, no HTTPS, shared passwords and short times."""
    return ClusterSettings(
        cluster=settings.cluster,
        region=REGION,
        owner="local",
        network=Network(
            name=settings.cluster,
            cidr=settings.vpc,
            zones=tuple(settings.zones),
            egress=Egress.DUAL_STACK,
        ),
        workers=Workers(types=("t4g.medium", "t4g.large", "t4g.small"), disk=8, home_disk=3),
        manager=Manager(
            domain=DOMAIN,
            port=settings.port,
            https=Https.NONE,
            private_address=settings.manager_address,
        ),
        login=Login(authenticator="shared-password", allow_all=True, users_file=settings.state_dir / "users"),
        timing=Timing(
            report_period=settings.report_period,
            read_interval=timedelta(seconds=1),
            answer_limit=timedelta(seconds=90),
            # EventBridge's shortest period.
            record_schedule=EVERY_MINUTE,
            sweep_schedule=EVERY_MINUTE,
            reconcile_schedule=EVERY_MINUTE,
            removal_schedule=EVERY_MINUTE,
        ),
        policy=settings.policy_document(),
    )


def write(settings: LocalSettings) -> Path:
    """Write `cluster.yaml` and, unless there is one, the `users` file into the state directory; the former's path."""
    users = settings.state_dir / "users"
    if not users.exists():
        users.write_text("".join(f"{name}{' admin' * is_admin}\n" for name, is_admin in USERS.items()))
    path = settings.state_dir / "cluster.yaml"
    path.write_text(writing.text(cluster_settings(settings), path.parent))
    return path
