"""How the hub reaches others: AWS within its request rates, the lifecycle app's records and events, workers' servers.
Which instance to start, and when, is decided in `hub.spawn`.
"""
