"""The machines that the operator launches: the manager and the builder of the workers' image.

What the operator's side needs for both is here: the bundle that they run, the base images, and the manager's launch
request, address, certificate and state disk. `manager` runs on the manager, `image` builds workers' images. What runs
on a worker is `bootstrap.worker`; the order in which all of it is built is `bootstrap.cluster`.
"""
