"""How people work: every distribution and its parameters, with the reason. Nothing here was measured at a real site.

What a figure cannot be known for was chosen so that the hard cases (long silence, return just before the timeout,
tabs and programs left behind) come up often enough to be counted, not to flatter a rule.
"""

from dataclasses import dataclass

from benchmarks.traces.trace import DAY, HOUR, MINUTE


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Durations spread over orders of magnitude: a median, a spread (sigma of the logarithm), and a cap."""

    median: float
    sigma: float
    cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """One kind of people."""

    week: tuple[float, ...]
    """Sessions each day from Monday on, on average, besides fixed lessons."""
    hours: tuple[tuple[float, float], ...]
    """(hour of the day, weight): when they begin."""
    lessons: tuple[tuple[int, float], ...]
    """(day, hour) of lessons, for which all come at the same time."""
    attendance: float
    crowded_weeks: frozenset[int]
    """Weeks before a deadline or an exam."""
    crowded: float
    """How much more they do then."""
    session: LogNormal
    act_every: float
    """Mean time between two actions while typing and running cells: some a minute."""
    pause: LogNormal
    pause_share: float
    """Reading, talking, coffee: in between, nothing is typed."""
    near_timeout: float
    """Share of sessions with a break of 50 to 62 minutes, such as lunch: the worst length for a timeout of an hour."""
    cell_share: float
    """Of all actions, those that run a cell."""
    cell: LogNormal
    """Most cells take seconds; a few take minutes."""
    long_cell: float
    """Share of sessions that end with a cell that takes hours, while the person goes away."""
    long_cell_takes: LogNormal
    """At most 20 h: by default work without a person may go on for 24 h, and what is longer is a matter of policy."""
    terminal: float
    """Share of sessions that end with a program in a terminal, or a detached one."""
    terminal_takes: LogNormal
    prints: float
    """Of long work, what prints all the time (progress bars); the rest is silent."""
    waits: float
    """Of long work, what uses hardly any CPU: it waits for a database, a download or another machine."""
    stuck: float
    """Share of sessions that leave a cell waiting for input() or looping: busy until the person is back."""
    tab_closed: float
    """Share of sessions whose tab is closed at their end."""
    tab_sleeps: float
    """Share whose computer goes to sleep soon, which ends the tab's traffic; the others leave it open."""
    tab_sleeps_after: float
    tab_left: LogNormal
    """A tab left open on a computer that stays awake: a desktop, a lab's machine, a laptop on its charger."""
    keeps_kernel: float
    """Share of sessions whose notebook is not shut down: nearly all, since closing a tab does not do it."""


AFTERNOONS = tuple(zip(range(8, 24), (1, 2, 3, 3, 2, 3, 4, 5, 5, 5, 4, 4, 5, 5, 4, 2), strict=True))
"""Students work in the afternoon and the evening."""
OFFICE = tuple(zip(range(7, 21), (1, 4, 6, 4, 3, 2, 4, 5, 4, 3, 2, 1, 1, 1), strict=True))
"""A team works in the office's hours, with a dip at noon."""

STUDENTS = Habits(
    week=(0.35, 0.35, 0.4, 0.4, 0.4, 0.55, 0.8),  # homework is due on Sunday night
    hours=AFTERNOONS,
    lessons=((1, 10.0), (3, 10.0)),
    attendance=0.8,
    crowded_weeks=frozenset({6, 7, 13, 14}),  # a midterm and the final project
    crowded=1.8,
    session=LogNormal(50 * MINUTE, 0.7, 5 * HOUR),
    act_every=50,
    pause=LogNormal(5 * MINUTE, 0.9, 45 * MINUTE),
    pause_share=0.04,
    near_timeout=0.05,
    cell_share=0.3,
    cell=LogNormal(2, 1.5, 10 * MINUTE),
    long_cell=0.04,
    long_cell_takes=LogNormal(1.5 * HOUR, 0.8, 20 * HOUR),
    terminal=0.02,
    terminal_takes=LogNormal(40 * MINUTE, 0.9, 20 * HOUR),
    prints=0.3,
    waits=0.25,
    stuck=0.003,
    tab_closed=0.4,
    tab_sleeps=0.4,
    tab_sleeps_after=20 * MINUTE,
    tab_left=LogNormal(4 * HOUR, 0.9, 3 * DAY),
    keeps_kernel=0.85,
)

TEAM = Habits(
    week=(2.0, 2.0, 2.0, 2.0, 1.8, 0.2, 0.15),
    hours=OFFICE,
    lessons=(),
    attendance=0.0,
    crowded_weeks=frozenset({2, 5, 8, 11, 14}),  # a delivery every three weeks
    crowded=1.4,
    session=LogNormal(1.6 * HOUR, 0.7, 9 * HOUR),
    act_every=70,
    pause=LogNormal(8 * MINUTE, 1.0, 55 * MINUTE),
    pause_share=0.06,
    near_timeout=0.1,
    cell_share=0.35,
    cell=LogNormal(5, 1.7, 30 * MINUTE),
    long_cell=0.15,
    long_cell_takes=LogNormal(3 * HOUR, 0.9, 20 * HOUR),
    terminal=0.1,
    terminal_takes=LogNormal(2 * HOUR, 1.0, 20 * HOUR),
    prints=0.4,
    waits=0.35,
    stuck=0.004,
    tab_closed=0.25,
    tab_sleeps=0.35,
    tab_sleeps_after=30 * MINUTE,
    tab_left=LogNormal(9 * HOUR, 0.8, 4 * DAY),  # till the next morning, or over the weekend
    keeps_kernel=0.9,
)
