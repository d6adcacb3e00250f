"""Mutation testing of the code that decides which worker is stopped: `make mutants`."""
