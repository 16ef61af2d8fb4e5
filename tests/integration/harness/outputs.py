"""Every kind of file that standard output and standard error can be, each with its other end."""

import contextlib
import fcntl
import os
import pty
import socket
import threading

from .sanitizers import findings

PIECE = 65_536


def without_findings(text):
    assert not findings(text.splitlines()), text
    return text


class Output:
    """fd: the descriptor for a process. text(): what the process wrote, after it has ended; None when unknown."""

    def __init__(self, lab, fd, other_end=None, read=True):
        self.fd = fd
        self.other_end = other_end
        self._flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        self._text = b""
        self._reader = None
        lab.use(self)
        if read and other_end is not None:
            self.read()

    def read(self):
        """Starts reading."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        # A terminal answers EIO after its last user has closed it.
        with contextlib.suppress(OSError):
            while piece := os.read(self.other_end, PIECE):
                self._text += piece

    @property
    def so_far(self):
        # A terminal that is not raw puts one more carriage return in front.
        return self._text.decode(errors="replace").replace("\r", "")

    def has_its_flags(self):
        """Whether the flags of the open file, which other processes share, are unchanged."""
        return fcntl.fcntl(self.fd, fcntl.F_GETFL) == self._flags

    def text(self):
        if self._reader is None:
            return None
        self._close_fd()
        self._reader.join(20)
        return without_findings(self.so_far)

    def _close_fd(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def stop(self):
        self._close_fd()
        if self._reader is not None:
            self._reader.join(20)
        if self.other_end is not None:
            os.close(self.other_end)
            self.other_end = None


class File(Output):
    def __init__(self, lab):
        number = len(list(lab.directory.glob("output-*")))
        self._path = lab.directory / f"output-{number}"
        super().__init__(lab, os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))

    def text(self):
        return without_findings(self._path.read_text(encoding="utf-8"))


class Datagrams(Output):
    def __init__(self, lab, read=True):
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        super().__init__(lab, theirs.detach(), os.dup(self._socket.fileno()), read)

    def _close_fd(self):
        super()._close_fd()
        # Nothing else tells the reader about the end.
        self._socket.shutdown(socket.SHUT_RD)


def pipe(lab, read=True):
    other_end, fd = os.pipe()
    return Output(lab, fd, other_end, read)


def full_pipe(lab):
    """Not read until its read() is called."""
    output = pipe(lab, read=False)
    os.set_blocking(output.fd, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(output.fd, b"-" * 4095 + b"\n")
    os.set_blocking(output.fd, True)
    return output


def pipe_without_a_reader(lab):
    output = pipe(lab, read=False)
    os.close(output.other_end)
    output.other_end = None
    return output


def terminal(lab, read=True):
    other_end, fd = pty.openpty()
    return Output(lab, fd, other_end, read)


def stream_socket(lab, read=True):
    ours, theirs = socket.socketpair()
    return Output(lab, theirs.detach(), ours.detach(), read)


def device(name):
    return lambda lab: Output(lab, os.open(name, os.O_WRONLY))


def closed(_lab):
    """A closed descriptor: see Proxy."""
    return None


KINDS = {
    "pipe": pipe,
    "file": File,
    "terminal": terminal,
    "/dev/null": device("/dev/null"),
    "/dev/full": device("/dev/full"),
    "stream socket": stream_socket,
    "datagram socket": Datagrams,
    "closed": closed,
    "full pipe": full_pipe,
    "pipe without a reader": pipe_without_a_reader,
}
