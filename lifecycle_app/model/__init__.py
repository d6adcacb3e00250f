"""Records, policies, decisions and how they change: values and pure functions. No clock, no I/O, no AWS library.

Reading and writing belong in `adapters`; the order of both and what follows in `use_cases`.
"""
