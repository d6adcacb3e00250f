"""User data really run: each instance of the local cloud is a Debian root with systemd and cloud-init of its own.

Needs root: debootstrap makes the root, systemd-nspawn boots it, in a network namespace of the tests' own.
"""
