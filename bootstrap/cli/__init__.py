"""The commands of `cloudjhub`: each reads its options, calls the other packages and prints.

No decision and no call of AWS belongs here; those are in `bootstrap.operations`, `bootstrap.cluster` and below.
"""
