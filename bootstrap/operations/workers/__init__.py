"""What the operator does with the users' machines: list, keep, stop, terminate."""
