"""What the hub is configured with: its settings, the authenticators that can be chosen, and what JupyterHub's defaults
cost a busy hub. Imports nothing else of the hub. What these become in JupyterHub is in `hub.configuration`.
"""
