"""A client that shuts down its sending side before it has the answer. The tunnel has no half-close."""

import socket
import subprocess
import threading

import pytest
from harness.sockets import receive_exactly

QUESTION = b"GET / HTTP/1.0\r\n\r\n"
ANSWER = b"the answer"


class AnswersWhenTold:
    """A service that reads the question, and answers it after go() without waiting for the client's end."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._asked = threading.Event()
        self._go = threading.Event()
        self.ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection:
            receive_exactly(connection, len(QUESTION))
            self._asked.set()
            self._go.wait(30)
            connection.sendall(ANSWER)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
            self.ended.set()

    def go(self):
        assert self._asked.wait(20)
        self._go.set()

    def stop(self):
        self._go.set()
        self._listener.close()


@pytest.fixture
def service_with_answer(lab):
    return lab.use(AnswersWhenTold())


def test_nc_with_N_gets_its_answer(lab, service_with_answer):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{service_with_answer.port}"})
    with subprocess.Popen(["nc", "-N", "127.0.0.1", str(tunnel.ports["APP"])], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as client:
        client.stdin.write(QUESTION)
        client.stdin.close()
        service_with_answer.go()
        assert client.stdout.read() == ANSWER
        assert client.wait(20) == 0
    assert service_with_answer.ended.wait(20)


def test_without_the_wait_the_clients_end_ends_the_connection(lab, service_with_answer):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{service_with_answer.port}"}, more=["--half-close-linger", 0])
    with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=30) as client:
        client.sendall(QUESTION)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        service_with_answer.go()
