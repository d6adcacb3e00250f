"""When Python looks for garbage: seldom, since each look at everything blocks the hub's event loop."""

import gc

YOUNG, MIDDLE, OLD = 10_000, 2, 2_500
"""A look at the youngest objects after so many more of them, at the next older ones after so many such looks, at all
after so many of those. A look takes a microsecond or two for each object: some 40 ms at the second step, which happens
in the midst of a class's login; at everything that a thousand users are it took 0.2 to 0.4 s.
"""


def settle() -> None:
    """What is there by now, modules above all, is never looked at again; what comes is looked at seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
