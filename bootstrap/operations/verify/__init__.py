"""What the code relies on and only AWS can show: the list of it, the checks that observe some of it, and their report.

The list (`assumptions.yaml`) is also docs/unverified.md. A check reads (`reading.py`) and judges what it has read
(`judging.py`, pure). What a cluster's health is belongs in `bootstrap.operations.health`.
"""
