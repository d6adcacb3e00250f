"""The whole list of faults, and how many wrong stops each of them leads to. `pytest -s` prints it."""

from tests.faults.table import Fault
from tests.faults.test_table import ALL


def test_no_fault_of_the_whole_list_stops_anybody_wrongly() -> None:
    wrong = [(fault.name, len(fault.run().wrong_stops)) for fault in ALL]
    for name, count in wrong:
        print(f"{count:3d}  {name}")
    total = sum(count for _, count in wrong)
    print(f"{total:3d}  wrong stops in {len(wrong)} faults")
    assert total == 0, [name for name, count in wrong if count]


def test_every_fault_has_a_name_of_its_own() -> None:
    """A row that stands for another would not be missed."""
    names = [fault.name for fault in ALL]
    assert len(set(names)) == len(names) > 300
    assert all(isinstance(fault, Fault) for fault in ALL)
