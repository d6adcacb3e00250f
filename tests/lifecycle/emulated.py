"""AWS in this process, by moto: for the adapters' contract tests only."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto import mock_aws

from lifecycle_app.adapters.tables import HistoryRecord, SettingRecord, WorkerRecord, bound


@contextmanager
def emulated_aws() -> Iterator[None]:
    """AWS with nothing in it but the tables of cluster `test`."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for model, table in (
            (WorkerRecord, "workers"),
            (HistoryRecord, "history"),
            (SettingRecord, "settings"),
        ):
            bound(model, "test", table).create_table(billing_mode="PAY_PER_REQUEST")
        yield
