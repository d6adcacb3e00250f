"""The clients that CloudFormation calls services with: the operator's, as AWS calls them with its caller's rights."""

from typing import Any

import boto3
from botocore.config import Config

from bootstrap.local.cloud.formation.provider import Client
from bootstrap.local.cloud.settings import OPERATOR_KEY, Settings

PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 20}, connect_timeout=5, read_timeout=30)


def clients(settings: Settings) -> Client:
    """Each service at this cloud's own address, logs where the functions' are. Made at first use, by one thread."""
    made: dict[str, Any] = {}
    make: Any = boto3.client

    def client(service: str) -> Any:
        if service not in made:
            made[service] = make(
                service,
                endpoint_url=settings.events_endpoint if service == "logs" else settings.endpoint,
                region_name=settings.region,
                aws_access_key_id=OPERATOR_KEY,
                aws_secret_access_key=settings.operator_secret,
                config=PATIENT,
            )
        return made[service]

    return client
