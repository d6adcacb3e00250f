"""The manager: the machine that JupyterHub and its proxy run on, and what sets it up."""
