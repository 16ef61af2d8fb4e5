"""Runs a kernel and an initramfs in qemu, and reports how the script in it ended."""

import dataclasses
import os
import re
import selectors
import shutil
import subprocess
import sys
import time

TIMED_OUT = 124


class Failed(Exception):
    """The machine did not boot, or ended before the script did."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """What differs between architectures."""
    kernel: str
    program: str
    package: str
    options: tuple
    console: str


MACHINES = {
    "amd64": Machine("linux-image-amd64", "qemu-system-x86_64", "qemu-system-x86",
                     ("-machine", "q35", "-cpu", "max"), "ttyS0"),
    "arm64": Machine("linux-image-arm64", "qemu-system-aarch64", "qemu-system-arm",
                     ("-machine", "virt", "-cpu", "cortex-a72"), "ttyAMA0"),
    "armhf": Machine("linux-image-armmp-lpae", "qemu-system-arm", "qemu-system-arm",
                     ("-machine", "virt", "-cpu", "cortex-a15"), "ttyAMA0"),
    "riscv64": Machine("linux-image-riscv64", "qemu-system-riscv64", "qemu-system-misc",
                       ("-machine", "virt"), "ttyS0"),
}

# Not only at the start of a line: the firmware and the kernel may leave an unfinished line.
BEGIN = re.compile(r"guest: begin$")
END = re.compile(r"guest: status (\d+)$")


def run(kind, kernel, image, options):
    """Boots, prints what the script prints, and returns its status."""
    if shutil.which(kind.program) is None:
        raise Failed(f"{kind.program} is missing: apt-get install {kind.package}")
    command = [kind.program, *kind.options, "-m", str(options.memory), "-smp", str(options.cpus), "-nographic", "-no-reboot",
               "-nodefaults", "-serial", "stdio", "-kernel", str(kernel), "-initrd", str(image),
               "-append", f"console={kind.console} panic=-1 quiet {options.append}".strip()]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            return _follow(process, options)
        finally:
            process.kill()


def _lines(process, deadline):
    """The machine's output, line by line, until it ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        rest = b""
        while selector.select(max(0, deadline - time.monotonic())):
            some = os.read(process.stdout.fileno(), 65536)
            if not some:
                return
            *lines, rest = (rest + some).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace").rstrip("\r")
    raise TimeoutError


def _follow(process, options):
    if options.console:
        options.console.write_text("", encoding="utf-8")
    seen = []
    begun = False
    status = None
    try:
        for line in _lines(process, time.monotonic() + options.timeout):
            seen.append(line)
            ended = END.search(line)
            if ended:
                status = int(ended.group(1))
                break
            if options.console:
                with options.console.open("a", encoding="utf-8") as console:
                    print(line, file=console)
            if begun:
                print(line, flush=True)
            begun = begun or bool(BEGIN.search(line))
    except TimeoutError:
        print(f"guest: not done after {options.timeout} s", file=sys.stderr)
        status = TIMED_OUT
    if status is None or not begun:
        last = "\n".join(seen[-20:])
        raise Failed(f"the machine ended by itself; its last lines:\n{last}")
    return status
