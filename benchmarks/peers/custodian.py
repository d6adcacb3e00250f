"""One run of the real cloud-custodian, in its own environment; prints what it used.

`build/peers/custodian/bin/python -m benchmarks.peers.custodian POLICY_FILE OUTPUT_DIR` does what `custodian run` does.
"""

import sys

# It is not in our own environment.
from c7n.cli import main as custodian  # type: ignore[import-not-found]
from c7n.resources import load_resources  # type: ignore[import-not-found]

from benchmarks.peers.metering import metered


def main() -> None:
    policy, output = sys.argv[1:]
    # What is imported once for all is no part of the sweep.
    load_resources({"aws.ec2"})
    sys.argv = ["custodian", "run", "--region", "us-east-1", "--cache-period", "0", "-s", output, policy]
    with metered():
        custodian()


if __name__ == "__main__":
    main()
