"""The settings of a cluster: their declaration, and reading and writing them as `cluster.yaml`.

Nothing here asks AWS: what only an account can tell is checked by `bootstrap.preflight`. The machines import `choices`
alone, so that they need no pydantic.
"""
