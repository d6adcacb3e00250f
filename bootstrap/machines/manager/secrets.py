"""The secrets that the manager's set-up takes from Parameter Store."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.machines.manager.system import SetupError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

PROXY_TOKEN = "hub/proxy-token"  # noqa: S105 -- the parameter's name
TLS_CERTIFICATE, TLS_KEY = "hub/tls-certificate", "hub/tls-key"


def read_parameters(ssm: "SSMClient", cluster: str, *names: str) -> list[str]:
    """The values of the cluster's parameters, in this order. Raises SetupError."""
    prefix = f"/cloudjhub/{cluster}/"
    try:
        answer = ssm.get_parameters(Names=[prefix + name for name in names], WithDecryption=True)
    except (BotoCoreError, ClientError) as error:
        raise SetupError(f"Parameter Store does not answer: {error}") from error
    found = {one["Name"].removeprefix(prefix): one["Value"] for one in answer["Parameters"]}
    missing = [prefix + name for name in names if name not in found]
    if missing:
        raise SetupError(f"Parameter Store has no {', '.join(missing)}: run `cloudjhub up`")
    return [found[name] for name in names]
