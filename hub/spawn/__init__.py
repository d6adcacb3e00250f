"""From a login to a server that answers: the spawner, the start protocol, and the EC2 calls that it needs. What ends
a server is in `hub.drain`; HTTP handlers are in `hub.drain`, `hub.users` and `hub.pages`.
"""
