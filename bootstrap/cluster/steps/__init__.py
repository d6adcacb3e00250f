"""The parts of a cluster in the order in which they are built. Each can be asked what it would change."""
