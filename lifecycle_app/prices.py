"""What an instance costs: US dollars an hour, Linux on demand, us-east-1 (AWS Price List, November 2026)."""

from __future__ import annotations

PER_HOUR = {
    "t2.micro": 0.0116,
    "t2.small": 0.023,
    "t2.medium": 0.0464,
    "t2.large": 0.0928,
    "t3.small": 0.0208,
    "t3.medium": 0.0416,
    "t3.large": 0.0832,
    "t3.xlarge": 0.1664,
    "t3a.small": 0.0188,
    "t3a.medium": 0.0376,
    "t3a.large": 0.0752,
    "t3a.xlarge": 0.1504,
    "t4g.small": 0.0168,
    "t4g.medium": 0.0336,
    "t4g.large": 0.0672,
    "t4g.xlarge": 0.1344,
    "m7i.large": 0.1008,
    "m7i.xlarge": 0.2016,
    "m7g.medium": 0.0408,
    "m7g.large": 0.0816,
    "m7g.xlarge": 0.1632,
}
LEAST_SECONDS_BILLED = 60


def cost(instance_type: str, seconds: int) -> float | None:
    """What a run of so many seconds costs; None for a type without a known price."""
    price = PER_HOUR.get(instance_type)
    return None if price is None else round(price * max(seconds, LEAST_SECONDS_BILLED) / 3600, 6)
