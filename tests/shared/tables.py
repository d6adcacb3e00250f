"""The cluster's tables, as their stack creates them."""

from lifecycle_app.adapters.tables import HistoryRecord, SettingRecord, WorkerRecord, bound

TABLES = ((WorkerRecord, "workers"), (HistoryRecord, "history"), (SettingRecord, "settings"))


def create_tables(cluster: str, region: str | None = None) -> None:
    """Create them where the environment says that DynamoDB is; return when they can be used."""
    for model, table in TABLES:
        bound(model, cluster, table, region).create_table(billing_mode="PAY_PER_REQUEST", wait=True)
