"""The commands that build, run and remove a cluster."""
