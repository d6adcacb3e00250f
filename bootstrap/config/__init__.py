"""The settings of a cluster: their declaration, and reading and writing them as `cluster.yaml`.

Nothing here calls AWS: `bootstrap.preflight` checks what only an account can answer. The machines import `choices`
alone, so that they need no pydantic.
"""
