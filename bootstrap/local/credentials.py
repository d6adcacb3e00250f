"""A credential process (`credential_process` in AWS's config): the credentials of a role of the local cloud.

Run as `python -m bootstrap.local.credentials STATE_DIR ROLE`; prints the JSON that the AWS SDKs expect. On AWS the
instance's metadata service does this for the manager.
"""

import json
import sys
from pathlib import Path

import boto3

from bootstrap.local.cloud.settings import OPERATOR_KEY
from bootstrap.local.environment import operator_secret
from bootstrap.local.settings import ACCOUNT, REGION


def main() -> None:
    """Print the role's credentials, valid for an hour."""
    state_dir, role = Path(sys.argv[1]), sys.argv[2]
    # The endpoint comes from the caller's environment; the operator's keys are given here, for the caller has none.
    client = boto3.client(
        "sts",
        region_name=REGION,
        aws_access_key_id=OPERATOR_KEY,
        aws_secret_access_key=operator_secret(state_dir),
    )
    answer = client.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", RoleSessionName="manager")
    found = answer["Credentials"]
    print(
        json.dumps(
            {
                "Version": 1,
                "AccessKeyId": found["AccessKeyId"],
                "SecretAccessKey": found["SecretAccessKey"],
                "SessionToken": found["SessionToken"],
                "Expiration": found["Expiration"].isoformat(),
            }
        )
    )


if __name__ == "__main__":
    main()
