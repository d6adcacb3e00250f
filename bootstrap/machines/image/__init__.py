"""The workers' image: what it is built from, how it is built, and which one is in use."""
