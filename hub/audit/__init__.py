"""The audit log: who did what to whom, from where, with what result. One JSON object a line, with the keys of `Event`.

`event` is the schema, and needs no JupyterHub; `record` writes a line; `hooks` finds what happens: every request that
may change something, and every change of users, accounts and tokens in the database.
"""
