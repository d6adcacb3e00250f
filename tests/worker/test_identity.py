"""The proof is a right AWS signature over the hub's name, checked here by AWS's published algorithm."""

import hashlib
import hmac
import re
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials

from bootstrap.worker.environment import PROOF_BODY, signed_proof

KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "eu-west-1"


def proof(sts_url: str = "https://sts.eu-west-1.amazonaws.com/") -> dict[str, Any]:
    credentials = ReadOnlyCredentials("AKIDEXAMPLE", KEY, "session")
    return signed_proof(credentials, sts_url=sts_url, region=REGION, hub_name="hub.test")


def signed_headers(headers: dict[str, str]) -> list[str]:
    match = re.search(r"SignedHeaders=([^,]+)", headers["Authorization"])
    assert match
    return match.group(1).split(";")


def signature(headers: dict[str, str], path: str = "/") -> str:
    """AWS's documentation, "Create a signed AWS API request"."""
    lower = {name.lower(): value for name, value in headers.items()}
    names = signed_headers(headers)
    canonical = "\n".join(
        [
            *("POST", path, ""),
            *(f"{name}:{lower[name]}" for name in names),
            *("", ";".join(names), hashlib.sha256(PROOF_BODY.encode()).hexdigest()),
        ]
    )
    date = lower["x-amz-date"]
    scope = f"{date[:8]}/{REGION}/sts/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


@pytest.mark.parametrize(
    ("sts_url", "host"),
    [
        ("https://sts.eu-west-1.amazonaws.com/", "sts.eu-west-1.amazonaws.com"),
        ("http://127.77.0.2:4566/", "127.77.0.2:4566"),
    ],
)
def test_the_proof_is_signed_for_one_hub(sts_url: str, host: str) -> None:
    given = proof(sts_url)
    headers = given["headers"]
    assert given["url"] == sts_url
    assert given["body"] == "Action=GetCallerIdentity&Version=2011-06-15"
    assert headers["Host"] == host
    assert headers["X-Amz-Security-Token"] == "session"
    assert {"host", "x-cloudjhub-hub", "x-amz-date", "x-amz-security-token"} <= set(signed_headers(headers))
    assert headers["Authorization"].endswith(f"Signature={signature(headers)}")


def test_another_hubs_name_breaks_the_signature() -> None:
    headers = proof()["headers"] | {"X-Cloudjhub-Hub": "hub.evil"}
    assert not headers["Authorization"].endswith(signature(headers))
