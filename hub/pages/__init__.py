"""The pages of the hub beside JupyterHub's own: handlers, what they show of workers, and templates.

No module here decides about workers or changes them. English texts about decisions are made in
`lifecycle_app.model.messages`.
"""
