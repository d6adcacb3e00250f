"""When Python looks for garbage: seldom, since each look at everything blocks the hub's event loop."""

import gc

YOUNG, MIDDLE, OLD = 20_000, 5, 500
"""A look at the youngest objects after so many more of them, at the next older ones after so many such looks, at all
after so many of those. Few at the second step: it is the one that happens in the midst of a class's login."""


def settle() -> None:
    """What is there by now, modules above all, is never looked at again; what comes is looked at seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
