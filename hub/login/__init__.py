"""The authenticators: any of JupyterHub's with the cluster's rules for names, accounts with passwords, LDAP. Which
options they take is in `hub.config.authenticators`, so that the command line can check them.
"""
