"""How long something took or takes, in words as short as they can be."""


def age(seconds: float) -> str:
    """Seconds in words as short as they can be."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
