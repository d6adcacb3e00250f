"""Half an hour of many users and faults in a local cloud, and an audit of every promise afterwards: `make soak`."""
