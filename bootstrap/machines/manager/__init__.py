"""What runs on the manager, the instance of JupyterHub and its proxy: the set-up, and the services beside them.

Everything here is part of the bundle. What the operator's machine does to launch a manager is in `bootstrap.machines`;
only `config`, and from `services` what user data needs, is used on both sides.
"""
