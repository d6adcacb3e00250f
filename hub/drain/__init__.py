"""The lifecycle app's request to release a server before its instance is stopped: the verdict, which is pure, and the
HTTP handler. The stop itself is the lifecycle app's.
"""
