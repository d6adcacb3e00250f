"""Makes a backup of JupyterHub's database, whether the hub runs or not.

    python -m hub.database

Reads the manager's configuration, as the hub does; its unit runs daily.
"""

import sys

from hub.config.settings import read
from hub.database.archive import DAILY
from hub.database.opening import archive_of, place_of
from hub.database.preparation import back_up
from hub.errors import DatabaseUnusable, SettingsError
from lifecycle_app.contract import utc_now


def main() -> int:
    """0 when the backup is kept; a failure is one line."""
    try:
        settings = read()
        archive = archive_of(settings)
        if archive is None:
            raise SettingsError("bucket is missing: set it to the cluster's bucket")
        done = back_up(place_of(settings), archive, DAILY, utc_now())
    except (SettingsError, DatabaseUnusable) as error:
        print(f"cloudJHub cannot back up JupyterHub's database: {error}", flush=True)
        return 1
    print(f"JupyterHub's database is backed up: {done.key}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
