"""What a hub endures: thousands of hostile requests by anonymous clients and by workers.

`python -m benchmarks.hostile` prints its memory, its event loop's longest step and its health checks meanwhile;
`--report` writes them into docs/security.md.
"""
