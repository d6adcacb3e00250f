"""The table of the tests' tiers names what is there."""

import pytest

from tests.conftest import OF, TESTS, TIERS


@pytest.mark.parametrize("entry", OF)
def test_an_entry_names_a_folder_or_file_and_tiers(entry: str) -> None:
    assert (TESTS / entry).exists(), (
        f"tests/{entry} is in tests/conftest.py, but not there: correct the entry"
    )
    assert set(OF[entry].split()) <= set(TIERS)
