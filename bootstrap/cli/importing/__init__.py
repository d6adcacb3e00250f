"""`cloudjhub import`: the users of another hub, read from its own files. Belongs here: what those files are called, how
they are written, and what of them is a user, an administrator or a group. What is done with them is that of
`cloudjhub users add`.
"""
