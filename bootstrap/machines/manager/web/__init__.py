"""HTTPS on the manager: nginx's configuration, and where its certificate comes from.

The units that run it are in `bootstrap.machines.manager.services`, with all others.
"""
