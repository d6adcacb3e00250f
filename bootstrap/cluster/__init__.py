"""A cluster in AWS: templates, policies, functions and monitoring, and the steps that create, change and remove them.

What runs on manager and image builder is in `bootstrap.machines`, what is done with a built cluster in
`bootstrap.operations`.
"""
