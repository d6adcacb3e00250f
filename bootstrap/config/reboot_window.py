"""When the manager may reboot itself. Standard library only: the manager reads it too."""

import re
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import available_timezones

OFF = "off"
SHORTEST = timedelta(minutes=15)
DAY = timedelta(days=1)
FORM = "Sun 04:00-05:00, daily 04:00-05:00 or Sun 04:00-05:00 Europe/Berlin (without a zone: UTC), or off"
_TIME = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_WINDOW = re.compile(rf"(Mon|Tue|Wed|Thu|Fri|Sat|Sun|daily) {_TIME}-{_TIME}(?: (\S+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootWindow:
    """A time of the week or of each day; `opens` since midnight. It may pass midnight."""

    day: str
    """As systemd writes it; "" for each day."""
    opens: timedelta
    length: timedelta
    zone: str

    @property
    def calendar(self) -> str:
        """When it opens, as systemd's OnCalendar= has it."""
        minutes = int(self.opens.total_seconds()) // 60
        return f"{self.day} *-*-* {minutes // 60:02}:{minutes % 60:02}:00 {self.zone}".strip()


def reboot_window(text: str) -> RebootWindow | None:
    """The window in a setting; None for `off`. Raises ValueError that says how one is written."""
    if text == OFF:
        return None
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is not a time of the week: set it to one like {FORM}")
    day, *times, zone = match.groups()
    opens, closes = (timedelta(hours=int(times[at]), minutes=int(times[at + 1])) for at in (0, 2))
    length = (closes - opens) % DAY
    if length < SHORTEST:
        raise ValueError(f"{text!r} is shorter than 15 minutes: set it to one like {FORM}")
    if zone and zone not in available_timezones():
        raise ValueError(
            f"{zone!r} is not a time zone: set it to one like Europe/Berlin, or leave it out for UTC"
        )
    return RebootWindow(day="" if day == "daily" else day, opens=opens, length=length, zone=zone or "UTC")
