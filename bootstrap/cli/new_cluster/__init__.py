"""`cloudjhub init`: its questions, its flags, and the import of the earlier cloudJHub's files.

What cluster.yaml may hold and how it is written is in `bootstrap.config`.
"""
