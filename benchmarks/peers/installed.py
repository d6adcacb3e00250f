"""One run of an installed peer, in its own environment; prints what it used.

`build/peers/idle-culler/bin/python -m benchmarks.peers.installed idle-culler HUB_API TIMEOUT` does what
`python -m jupyterhub_idle_culler --timeout=TIMEOUT` does each time: its `cull_idle` with the defaults of all other
options. `build/peers/custodian/bin/python -m benchmarks.peers.installed custodian POLICY_FILE OUTPUT_DIR` does what
`custodian run` does. Outside the peer itself only the standard library is imported.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def metered() -> Iterator[None]:
    """Prints, as the last line, seconds and CPU seconds of the block, and the process's peak memory in megabytes."""
    began, worked = time.monotonic(), time.process_time()
    yield
    used = {
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - worked,
        "megabytes": peak_megabytes(),
    }
    print(json.dumps(used), flush=True)


def peak_megabytes() -> float:
    """The peak memory of this program. Not getrusage's: a child begins with its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(kilobytes) / 1024


def idle_culler(url: str, timeout: str) -> None:
    """One cull by jupyterhub-idle-culler."""
    from jupyterhub_idle_culler import IdleCuller, cull_idle  # type: ignore[import-not-found]

    options = IdleCuller(timeout=int(timeout))
    with metered():
        asyncio.run(
            cull_idle(
                url=url,
                api_token="token",
                inactive_limit=options.timeout,
                logger=options.log,
                cull_users=options.cull_users,
                concurrency=options.concurrency,
                cull_admin_users=options.cull_admin_users,
                api_page_size=options.api_page_size,
            )
        )


def custodian(policy: str, output: str) -> None:
    """One run of cloud-custodian. Its resources are loaded before: that is not part of the sweep."""
    from c7n.cli import main as run  # type: ignore[import-not-found]
    from c7n.resources import load_resources  # type: ignore[import-not-found]

    load_resources({"aws.ec2"})
    sys.argv = ["custodian", "run", "--region", "us-east-1", "--cache-period", "0", "-s", output, policy]
    with metered():
        run()


if __name__ == "__main__":
    {"idle-culler": idle_culler, "custodian": custodian}[sys.argv[1]](*sys.argv[2:])
