"""What is baked into the worker image: the boot client, the activity reporter and the systemd units.

It stands alone: nothing of the hub or the lifecycle app is on a worker, and no other part imports it to run there.
"""
