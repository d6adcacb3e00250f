"""Measurements of speed, size and calls: `make bench` runs them all and writes docs/benchmarks.md."""
