"""`python -m bootstrap.local.cloud`: the emulated AWS of one local cloud, until SIGTERM or SIGINT."""

import logging
import signal
import sys

from bootstrap.local.cloud.errors import StartupError
from bootstrap.local.cloud.settings import prepare_emulator, read_settings

FAILED = 1
CANNOT_START = 3


def main() -> int:
    """Serve; the exit status, CANNOT_START where the settings or the state directory forbid it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    settings = read_settings(sys.argv[1:])
    prepare_emulator(settings.account)
    # moto reads its environment when it is imported, so the cloud is imported after it is set.
    from bootstrap.local.cloud.app import Cloud

    try:
        cloud = Cloud(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: cloud.end())
        return 0 if cloud.serve() else FAILED
    except StartupError as error:
        print(f"cloud: {error}", file=sys.stderr)
        return CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
