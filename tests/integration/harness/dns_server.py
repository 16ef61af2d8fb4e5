"""A DNS server for a few names, over UDP and TCP, which can also fail as real ones do."""

import ipaddress
import socketserver
import struct
import threading

from .netns import DNS_ADDRESS

HEADER = struct.Struct("!HHHHHH")
TYPES = {1: 4, 28: 6}  # A, AAAA -> the version of the addresses
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
RESPONSE, TRUNCATED = 0x8180, 0x0200
TTL = 1
# The largest datagram without EDNS (RFC 1035, 4.2.1).
MOST_OF_A_DATAGRAM = 512


def _question(query):
    """(name, type, end offset) of the only question of a query."""
    at = HEADER.size
    labels = []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii"))
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", query, at + 1)[0], at + 5


class _Datagrams(socketserver.ThreadingUDPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Streams(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class DnsServer:
    """Answers for names, {"tunnel.test": ["127.0.0.1", "::1"]}, in the order given; others do not exist.

    how: "answer", "fail" (SERVFAIL), "silence", or "truncate" (over UDP; TCP has it all), may be changed at any
    time. queries: names asked for; tcp_queries: how many of them over TCP. Made inside of a Namespace."""

    def __init__(self, names, how="answer"):
        self.names = names
        self.how = how
        self.queries = []
        self.tcp_queries = 0
        outer = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self):
                query, connection = self.request
                if answer := outer.answer(query, datagram=True):
                    connection.sendto(answer, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self):
                while head := self.rfile.read(2):
                    query = self.rfile.read(struct.unpack("!H", head)[0])
                    outer.tcp_queries += 1
                    if answer := outer.answer(query, datagram=False):
                        self.wfile.write(struct.pack("!H", len(answer)) + answer)

        self._servers = [_Datagrams((DNS_ADDRESS, 53), Datagram), _Streams((DNS_ADDRESS, 53), Stream)]
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
                         for server in self._servers]
        for thread in self._threads:
            thread.start()

    def answer(self, query, datagram):
        """The bytes of the answer, or None."""
        name, kind, end = _question(query)
        self.queries.append(name)
        if self.how == "silence":
            return None
        number = HEADER.unpack_from(query)[0]
        question = query[HEADER.size:end]
        if self.how == "fail" or name not in self.names:
            code = SERVER_FAILURE if self.how == "fail" else NO_SUCH_NAME
            return HEADER.pack(number, RESPONSE | code, 1, 0, 0, 0) + question
        records = [ipaddress.ip_address(text).packed for text in self.names[name]
                   if ipaddress.ip_address(text).version == TYPES.get(kind)]
        # 0xc00c: the name of the question.
        body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, TTL, len(packed)) + packed for packed in records)
        size = HEADER.size + len(question) + len(body)
        if datagram and (self.how == "truncate" or size > MOST_OF_A_DATAGRAM):
            return HEADER.pack(number, RESPONSE | TRUNCATED | NO_ERROR, 1, 0, 0, 0) + question
        return HEADER.pack(number, RESPONSE | NO_ERROR, 1, len(records), 0, 0) + question + body

    def stop(self):
        for server, thread in zip(self._servers, self._threads):
            server.shutdown()
            server.server_close()
            thread.join(10)
