"""Mutation testing of the code that decides who is stopped: `make mutants`."""
