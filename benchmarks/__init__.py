"""Programs that measure, and write their reports into docs/: speed and calls, one sweep compared with its peers, a
login storm, a simulated term, a soak with faults, mutants. Nothing here is part of the product or of the tests; the
product imports nothing from here.
"""
