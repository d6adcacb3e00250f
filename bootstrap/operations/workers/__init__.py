"""What an operator does with workers: list, prepare, keep, stop, terminate.

Only `bootstrap.aws.instances` launches and terminates, and only the lifecycle app stops.
"""
