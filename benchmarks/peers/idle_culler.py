"""One cull by the real jupyterhub-idle-culler, in its own environment; prints what it used.

`build/peers/idle-culler/bin/python -m benchmarks.peers.idle_culler HUB_API TIMEOUT` does what `python -m
jupyterhub_idle_culler --timeout=TIMEOUT` does each time: its `cull_idle` with the defaults of all other options.
"""

import asyncio
import sys

# Neither is in our own environment.
from jupyterhub_idle_culler import IdleCuller, cull_idle  # type: ignore[import-not-found]

from benchmarks.peers.metering import metered


def main() -> None:
    url, timeout = sys.argv[1:]
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


if __name__ == "__main__":
    main()
