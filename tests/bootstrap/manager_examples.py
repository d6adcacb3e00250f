"""A manager's configuration and settings for tests."""

from dataclasses import replace
from typing import Any

from bootstrap.config.choices import Https
from bootstrap.config.settings import ClusterSettings, Manager, Network
from bootstrap.machines.manager.config import ManagerConfig

CONFIG = ManagerConfig(
    cluster="spring",
    region="us-east-1",
    owner="Dr. Who: physics",
    bucket="cloudjhub-spring-123456789012-us-east-1",
    bundle=f"bundle/{'0' * 64}.tar.gz",
    log_group="/cloudjhub/spring/manager",
    audit_group="/cloudjhub/spring/audit",
    state_volume="vol-0123456789abcdef0",
    public_url="https://hub.example",
    private_address="10.77.0.10",
    https=Https.SELF_SIGNED,
    workers={
        "types": ["t3.medium", "t3.large"],
        "subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        "group": "sg-0123456789abcdef0",
        "role": "cloudjhub-spring-worker",
        "disk": 16,
        "home_disk": 5,
        "named_servers": 3,
    },
    login={"authenticator": "native", "allow_all": False, "options": {}},
    timing={"report_period": 60, "read_interval": 5, "answer_limit": 240},
)


def config(**changes: Any) -> ManagerConfig:
    return replace(CONFIG, **changes)


def settings(**manager: Any) -> ClusterSettings:
    return ClusterSettings(
        cluster="spring",
        region="us-east-1",
        owner="Dr. Who: physics",
        network=Network(name="n"),
        manager=Manager(**manager),
    )
