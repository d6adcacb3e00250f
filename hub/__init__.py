"""JupyterHub's configuration for cloudJHub: starts users' instances and reads their records. Belongs here: what runs
inside the hub's process. It cannot stop or terminate an instance; that is the lifecycle app's and the operator's.
"""
