"""The kernel counts what the server's connections carry."""

import os
import socket

from bootstrap.worker.counters import connections


def test_the_kernel_says_what_a_connection_has_had() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, server.accept()[0] as served:
            client.sendall(b"x" * 1000)
            assert served.recv(1000, socket.MSG_WAITALL)
            served.sendall(b"y" * 500)
            assert client.recv(500, socket.MSG_WAITALL)
            # Nothing of the other end, whose port is another one.
            assert [(received, sent) for _, received, sent in connections(port)] == [(1000, 500)]
            assert [inode for inode, _, _ in connections(port)] == [os.fstat(served.fileno()).st_ino]
