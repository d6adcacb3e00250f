"""What users and administrators read of machine types: their processors, memory, and price. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from lifecycle_app.model.history import PER_HOUR, REGION

SIZES = {
    "t2.micro": (1, 1),
    "t2.small": (1, 2),
    "t2.medium": (2, 4),
    "t2.large": (2, 8),
    "t3.small": (2, 2),
    "t3.medium": (2, 4),
    "t3.large": (2, 8),
    "t3.xlarge": (4, 16),
    "t3a.small": (2, 2),
    "t3a.medium": (2, 4),
    "t3a.large": (2, 8),
    "t3a.xlarge": (4, 16),
    "t4g.small": (2, 2),
    "t4g.medium": (2, 4),
    "t4g.large": (2, 8),
    "t4g.xlarge": (4, 16),
    "t3.2xlarge": (8, 32),
    "t4g.2xlarge": (8, 32),
    "m7i.large": (2, 8),
    "m7i.xlarge": (4, 16),
    "m7g.medium": (1, 4),
    "m7g.large": (2, 8),
    "m7g.xlarge": (4, 16),
    "m7i.2xlarge": (8, 32),
    "m7g.2xlarge": (8, 32),
    "g4dn.xlarge": (4, 16),
    "g4dn.2xlarge": (8, 32),
    "g5.xlarge": (4, 16),
    "g5.2xlarge": (8, 32),
    "g6.xlarge": (4, 16),
    "g6.2xlarge": (8, 32),
    "g5g.xlarge": (4, 8),
}
"""vCPUs and GiB of memory (AWS: Amazon EC2 instance types)."""
GPUS = {"g4dn": "NVIDIA T4", "g5": "NVIDIA A10G", "g6": "NVIDIA L4", "g5g": "NVIDIA T4G"}
"""The GPU of a family's types; those of `SIZES` have one (AWS: accelerated computing instances)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineType:
    """A machine type as pages show it; "" where nothing is known."""

    name: str
    processors: str = ""
    memory: str = ""
    gpu: str = ""
    price: str = ""


def machine_type(name: str, region: str = "") -> MachineType:
    """The type of that name, with its price in a region of AWS."""
    size, price, gpu = SIZES.get(name), _price(name, region), GPUS.get(name.partition(".")[0])
    return MachineType(
        name=name,
        processors=_processors(size[0]) if size else "",
        memory=f"{size[1]} GB memory" if size else "",
        gpu=f"1 GPU, {gpu}" if size and gpu else "",
        price="" if price is None else an_hour(price),
    )


def an_hour(dollars: float) -> str:
    """A price like 4.2 ¢ an hour, or $1.24 an hour."""
    cents = round(dollars * 100, 1)
    return f"{cents:g} ¢ an hour" if cents < 100 else f"${dollars:,.2f} an hour"


def total_an_hour(types: Iterable[str], region: str) -> str:
    """What machines of these types cost together; "" if no price is known, or if there are none."""
    prices = [_price(name, region) for name in types]
    known = [price for price in prices if price is not None]
    if not known:
        return ""
    return f"{'about' if len(known) == len(prices) else 'more than'} {an_hour(sum(known))}"


def are_prices_known(region: str) -> bool:
    """Are prices known of a region of AWS?"""
    return region == REGION


def _price(name: str, region: str) -> float | None:
    """US dollars an hour; None where it is not known."""
    return PER_HOUR.get(name) if are_prices_known(region) else None


def _processors(count: int) -> str:
    return f"{count} CPU{'s' if count > 1 else ''}"
