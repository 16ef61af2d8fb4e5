"""Bytes that both ends can generate and check: a server and a client send each other different random content at the
same time and compare every byte that arrives.

The client says who it is (seed) and how much goes in each direction, the server answers b"R"; the client's b"G"
starts both directions. At the end the server sends the SHA-256 of what it received.
"""

import asyncio
import hashlib
import random
import struct
import threading

BLOCK = 64 * 1024
HEADER = struct.Struct("!QQQ")
BACKLOG = 256


def blocks(seed, direction, size):
    """The content of one direction of one connection, in pieces."""
    for index in range(0, size, BLOCK):
        yield random.Random(f"{seed} {direction} {index}").randbytes(min(BLOCK, size - index))


async def _send(writer, seed, direction, size):
    for block in blocks(seed, direction, size):
        writer.write(block)
        await writer.drain()


async def _check(reader, seed, direction, size):
    """Checks that exactly the expected bytes arrive; returns their SHA-256."""
    digest = hashlib.sha256()
    at = 0
    for expected in blocks(seed, direction, size):
        got = await reader.readexactly(len(expected))
        assert got == expected, f"connection {seed}: wrong bytes {direction} between {at} and {at + len(got)}"
        digest.update(got)
        at += len(got)
    return digest.digest()


class StreamServer:
    """Serves exchange() at 127.0.0.1:port, or on a UNIX socket at path, in a thread of the caller. open, most:
    connections open now, and open at once at most."""

    def __init__(self, path=None):
        self.port = 0
        self._path = path
        self.open = 0
        self.most = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        if self._path is None:
            starting = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=BACKLOG)
        else:
            starting = asyncio.start_unix_server(self._serve, self._path, backlog=BACKLOG)
        server = self._loop.run_until_complete(starting)
        if self._path is None:
            self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader, writer):
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            seed, up, down = HEADER.unpack(await reader.readexactly(HEADER.size))
            writer.write(b"R")
            await reader.readexactly(1)
            _, digest = await asyncio.gather(_send(writer, seed, "down", down), _check(reader, seed, "up", up))
            writer.write(digest)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, AssertionError):
            pass  # the client reports the missing digest
        finally:
            self.open -= 1
            writer.close()

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


async def _connect(where):
    if isinstance(where, int):
        return await asyncio.open_connection("127.0.0.1", where)
    return await asyncio.open_unix_connection(where)


async def exchange(where, seed, up, down, everyone_is_here=None):
    """Sends `up` bytes and gets `down` bytes through a port of 127.0.0.1, or through a UNIX socket, at the same
    time; AssertionError when a byte is wrong or missing. everyone_is_here: awaited between connecting and sending."""
    reader, writer = await _connect(where)
    try:
        writer.write(HEADER.pack(seed, up, down))
        assert await reader.readexactly(1) == b"R"
        if everyone_is_here is not None:
            await everyone_is_here()
        writer.write(b"G")
        sent = hashlib.sha256()
        for block in blocks(seed, "up", up):
            sent.update(block)
        await asyncio.gather(_send(writer, seed, "up", up), _check(reader, seed, "down", down))
        assert await reader.readexactly(32) == sent.digest(), f"connection {seed}: wrong bytes on the way up"
        assert await reader.read() == b"", f"connection {seed}: bytes after the end"
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise AssertionError(f"connection {seed}: cut: {error}") from error
    finally:
        writer.close()


def exchange_all(jobs, at_once=False, timeout=120):
    """Runs exchange() for all (port or path, seed, up, down) at the same time; at_once: all connect before any sends."""
    arrived = 0

    async def run():
        all_here = asyncio.Event()

        async def everyone_is_here():
            nonlocal arrived
            arrived += 1
            if arrived == len(jobs):
                all_here.set()
            await all_here.wait()

        gate = everyone_is_here if at_once else None
        await asyncio.gather(*(exchange(*job, everyone_is_here=gate) for job in jobs))

    async def bounded():
        try:
            await asyncio.wait_for(run(), timeout)
        except asyncio.TimeoutError:
            raise AssertionError(f"transfers not done within {timeout} s; {arrived} of {len(jobs)} arrived") from None

    asyncio.run(bounded())
