#!/usr/bin/python3
"""Which directory may include what. Every directory must be in the table."""

import re

import tree

# Directory -> the directories and libraries that its files may include, besides itself, libc and the standard library.
# "The process that parses cannot connect, the process that connects does not parse" starts here: bridge, monitor
# and resolve cannot include TLS or protobuf, and no role includes another.
MAY_INCLUDE = {
    "src/base": {"build_config"},
    "src/wire": {"src/base", "protobuf"},
    "src/event": {"src/base", "libevent"},
    "src/ipc": {"src/base", "src/event"},
    "src/tls": {"src/base", "openssl"},
    "src/config": {"src/base", "json", "nettle", "build_config"},
    "src/monitor": {"src/base", "src/event", "src/ipc", "src/config", "build_config"},
    "src/net": {"src/base", "src/event", "src/ipc", "src/wire", "src/tls", "build_config"},
    "src/bridge": {"src/base", "src/event", "src/ipc"},
    "src/resolve": {"src/base", "src/event", "src/ipc"},
    "src/launch": {"src/base", "src/event", "src/ipc"},
    "src/helper": {"src/base", "src/event", "src/ipc", "sandbox"},
    "src/main": {"src/base", "src/event", "src/ipc", "src/config", "src/monitor", "src/net", "src/bridge",
                 "src/resolve", "src/launch", "src/helper", "src/tls", "sandbox", "sanitizers"},
    "sandbox": {"src/base", "libseccomp", "libcap-ng", "build_config"},
}

# The beginning of an included path -> the library that it belongs to.
LIBRARIES = {
    "openssl/": "openssl",
    "google/protobuf/": "protobuf",
    "tunnel.pb.h": "protobuf",
    "event2/": "libevent",
    "event.h": "libevent",
    "seccomp.h": "libseccomp",
    "cap-ng.h": "libcap-ng",
    "nettle/": "nettle",
    "nlohmann/": "json",
    "gtest/": "googletest",
    "gmock/": "googletest",
    "build_config.h": "build_config",
    "sanitizer/": "sanitizers",
}
# Directories of libc's and the kernel's headers; any <name.h> and <name> without a directory is a system header, too.
SYSTEM_DIRECTORIES = ("arpa/", "asm/", "linux/", "net/", "netinet/", "sys/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def directory_of(path):
    """The row of the table that a file belongs to."""
    parts = path.relative_to(tree.ROOT).parts
    return "/".join(parts[:2]) if parts[0] == "src" else parts[0]


def target_of(path, quoted, included):
    """What an include refers to: a directory of the tree, a library, "system", or None when unknown."""
    for beginning, library in LIBRARIES.items():
        if included.startswith(beginning):
            return library
    if not quoted:
        return "system" if "/" not in included or included.startswith(SYSTEM_DIRECTORIES) else None
    if (path.parent / included).is_file():
        return directory_of(path)
    for start in (tree.ROOT / "src", tree.ROOT):
        if (start / included).is_file():
            return directory_of(start / included)
    return None


def check(path):
    directory = directory_of(path)
    if directory not in MAY_INCLUDE:
        yield f"{tree.name(path)}: {directory} has no row in the table of tests/lint/layering.py"
        return
    content = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(content):
        line = content.count("\n", 0, match.start(2)) + 1
        target = target_of(path, match[1] == '"', match[2])
        if target is None:
            yield f"{tree.name(path)}:{line}: {match[2]}: neither a file of the tree nor a known library"
        elif target not in MAY_INCLUDE[directory] | {directory, "system"}:
            yield f"{tree.name(path)}:{line}: {directory} must not include {target} ({match[2]})"


def main():
    paths = tree.sources("src", "sandbox")
    tree.finish([problem for path in paths for problem in check(path)], len(paths))


if __name__ == "__main__":
    main()
