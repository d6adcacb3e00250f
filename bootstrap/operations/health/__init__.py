"""How a built cluster is: what it is seen to be, and what of that is wrong."""
