"""What users and administrators read of machine types."""

import pytest

from hub.spawn.machine_types import SIZES, MachineType, an_hour, machine_type, total_an_hour
from lifecycle_app.model.history import PER_HOUR, REGION


def test_a_type_is_shown_with_processors_memory_and_price() -> None:
    assert machine_type("t3.medium", REGION) == MachineType(
        name="t3.medium", processors="2 CPUs", memory="4 GB memory", price="4.2 ¢ an hour"
    )
    assert machine_type("m7g.medium", REGION).processors == "1 CPU"
    assert machine_type("g5.xlarge", REGION).gpu == "1 GPU, NVIDIA A10G"
    elsewhere = machine_type("t3.medium", "eu-central-1")
    assert (elsewhere.memory, elsewhere.price) == ("4 GB memory", ""), "the prices of one region are known"
    assert machine_type("x9.huge", REGION) == MachineType(name="x9.huge"), "nothing is known of it"


def test_every_type_with_a_price_has_a_size() -> None:
    assert SIZES.keys() == PER_HOUR.keys()


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (0.0416, "4.2 ¢ an hour"),
        (0.2, "20 ¢ an hour"),
        (0.9994, "99.9 ¢ an hour"),
        (0.9996, "$1.00 an hour"),
        (12.345, "$12.35 an hour"),
    ],
)
def test_price(dollars: float, shown: str) -> None:
    assert an_hour(dollars) == shown


@pytest.mark.parametrize(
    ("types", "shown"),
    [
        (["t3.medium"] * 2, "about 8.3 ¢ an hour"),
        (["t3.medium", "x9.huge"], "more than 4.2 ¢ an hour"),
        (["x9.huge"], ""),
        ([], ""),
    ],
)
def test_price_of_several(types: list[str], shown: str) -> None:
    assert total_an_hour(types, REGION) == shown
