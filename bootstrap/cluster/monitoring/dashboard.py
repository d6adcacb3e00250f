"""The cluster's CloudWatch dashboard. Pure: only metrics and logs that really exist."""

from pathlib import Path
from typing import Any

from bootstrap.aws import names
from bootstrap.cluster.documents import filled_in
from bootstrap.config.settings import ClusterSettings
from lifecycle_app.contract import metric_namespace

PERIOD = 300
"""Seconds."""
LINKS = """**Each worker**

- [What the workers report]({console}/cloudwatch/home?region={region}#metricsV2:graph=~();namespace=~'{namespace}):\
 activity, kernels, terminals, CPU
- [EC2's own figures]({console}/ec2/home?region={region}#Instances:search={cluster}): choose machines, then Monitoring

Here they would make the dashboard cost $3 a month; there they cost nothing."""
"""Markdown. The console writes a `/` in such an address as `*2f`."""


def dashboard(settings: ClusterSettings, region: str) -> dict[str, Any]:
    """The dashboard's body: what the workers do and cost, what the functions do, and what they decided."""
    cluster = settings.cluster
    groups = map(names.function_log_group, names.functions(cluster))
    return filled_in(
        Path(__file__).with_name("dashboard.yaml"),
        region=region,
        period=PERIOD,
        activity=names.function_log_group(names.function(cluster, "record_activity")),
        links=_links(cluster, region),
        invocations=_of_functions(cluster, "Invocations"),
        errors=_of_functions(cluster, "Errors"),
        throttles=_of_functions(cluster, "Throttles"),
        queue=names.dead_letter_queue(cluster),
        logs=" | ".join(f"SOURCE '{group}'" for group in groups),
    )


def _links(cluster: str, region: str) -> str:
    return LINKS.format(
        console=f"https://{region}.console.aws.amazon.com",
        region=region,
        cluster=cluster,
        namespace=metric_namespace(cluster).replace("/", "*2f"),
    )


def _of_functions(cluster: str, metric: str) -> list[list[Any]]:
    return [
        ["AWS/Lambda", metric, "FunctionName", names.function(cluster, handler), {"label": handler}]
        for handler in names.WATCHED
    ]
