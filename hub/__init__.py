"""JupyterHub's part: starts workers and reads their state; it cannot stop or change anything."""
