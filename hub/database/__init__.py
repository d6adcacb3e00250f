"""JupyterHub's database as a file: copied while the hub runs, kept in the cluster's bucket, upgraded, put back.

`archive` names the backups, and needs no JupyterHub; `copies` copies and replaces the file; `schema` knows JupyterHub's
versions of it; `preparation` does before each start of the hub what is due. `python -m hub.database` makes a backup.
"""
