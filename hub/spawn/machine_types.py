"""What users and administrators read of machine types: their processors, memory, and price. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from lifecycle_app.model.history import PER_HOUR

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
    "m7i.large": (2, 8),
    "m7i.xlarge": (4, 16),
    "m7g.medium": (1, 4),
    "m7g.large": (2, 8),
    "m7g.xlarge": (4, 16),
}
"""vCPUs and GiB of memory (AWS: Amazon EC2 instance types)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineType:
    """A machine type as pages show it; "" where nothing is known."""

    name: str
    processors: str = ""
    memory: str = ""
    price: str = ""


def machine_type(name: str) -> MachineType:
    """The type of that name."""
    size, price = SIZES.get(name), PER_HOUR.get(name)
    return MachineType(
        name=name,
        processors=_processors(size[0]) if size else "",
        memory=f"{size[1]} GB memory" if size else "",
        price="" if price is None else an_hour(price),
    )


def an_hour(dollars: float) -> str:
    """A price like 4.2 ¢ an hour, or $1.24 an hour."""
    cents = round(dollars * 100, 1)
    return f"{cents:g} ¢ an hour" if cents < 100 else f"${dollars:,.2f} an hour"


def total_an_hour(types: Iterable[str]) -> str:
    """What machines of these types cost together; "" if no price is known, or if there are none."""
    prices = [PER_HOUR.get(name) for name in types]
    known = [price for price in prices if price is not None]
    if not known:
        return ""
    return f"{'about' if len(known) == len(prices) else 'more than'} {an_hour(sum(known))}"


def _processors(count: int) -> str:
    return f"{count} CPU{'s' if count > 1 else ''}"
