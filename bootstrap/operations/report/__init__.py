"""What a cluster cost in a month, by user, group or day: from the machines' history, the disks, and for what all
share from the formula of `plan`. Reads only.

What a cluster is expected to cost belongs in `bootstrap.costs`.
"""
