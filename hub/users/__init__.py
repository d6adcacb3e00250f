"""Which user names are accepted, who belongs to the cluster, and the changes to JupyterHub's handlers of users and
servers. How users prove who they are is in `hub.login`.
"""
