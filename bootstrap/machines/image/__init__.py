"""The workers' image: how it is built, what it holds, and which one is in use.

`setup` runs on the builder; the other modules run on the operator's machine.
"""
