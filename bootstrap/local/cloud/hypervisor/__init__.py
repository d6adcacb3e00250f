"""Runs the instances as processes of this machine: disks, user data, metadata service, and what instances of base
images run in place of an operating system. It knows nothing of EC2's rules."""
