"""AWS as the operator's commands use it: sessions, names, stacks, instances, secrets, waiting and errors.

Here is what does not know the parts of a cluster; templates, policies and steps are in `bootstrap.cluster`.
"""
