"""A user's requests about the own machine, from its Jupyter server or the home page: keep it running, stop it. The hub
passes them to the lifecycle app, which decides; it writes nothing itself.
"""
