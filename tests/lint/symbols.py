#!/usr/bin/python3
"""Which functions each program imports from libc that have side effects on their first call: they open a file, load a
module, allocate a locale, query a terminal. Behind a filter, that kills the process.

symbols.py DIRECTORY: the directory of the programs.
"""

import pathlib
import re
import sys

import elf
import tree

# Kind -> names, as a regular expression. Without __..._chk (fortified), 64 (large files) and __isocNN_.
REFUSED = {
    "stdio": r"[vd]*[fs]?n?w?printf|v?asprintf|v?[fs]?w?scanf|f?put[cs]|putchar|perror|f?get[cs]|getchar|getline|"
             r"getdelim|ungetc|f(open|dopen|reopen|read|write|flush|close|seek|seeko|tell|ileno|memopen)|"
             r"open_memstream|set(v|line)?buf|std(in|out|err)|tmpfile|popen",
    "time zone": r"(gm|local)time(_r)?|mktime|timegm|timelocal|str[fp]time|a?ctime(_r)?|asctime(_r)?|tzset",
    "locale": r"(set|new|use|dup)locale|localeconv|nl_langinfo(_l)?|strcoll|strxfrm|iconv(_open)?|d?c?n?gettext|"
              r"(textdomain|bindtextdomain)|wcs?n?r?to(mb|mbs)|mbs?n?r?to(wc|wcs)|strerror(_r|_l)?|strsignal|psignal",
    "loading": r"dlm?open|dlsym|dlvsym|dl_iterate_phdr",
    "users": r"(get|set|end)(pw|gr|sp)(ent|nam|uid|gid)?(_r)?|getlogin(_r)?|initgroups|getgrouplist|cuserid",
    "names": r"getaddrinfo|getnameinfo|gethostby\w+|get(serv|proto|net)by\w+|if_nametoindex|if_indextoname|"
             r"getifaddrs|(__)?(res_\w+|dn_\w+)|gai_strerror",
    "terminal": r"isatty|ttyname(_r)?|ctermid|tc\w+|ptsname(_r)?|getpass",
    "log": r"v?syslog|openlog|closelog",
    "directories": r"(fd)?opendir|(read|close|rewind|scan)dir|realpath|glob|wordexp|n?ftw|fts_\w+|getcwd",
    "machine": r"sysconf|get_nprocs(_conf)?|getloadavg|system",
    "C++ streams": r"_Z[NKTVI]*S([io]\w*|\w*(stream|ios_base|filebuf|stringbuf|St6locale|10filesystem|"
                   r"13random_device)\w*)",
}

# Program -> names, or the name of a kind; where they are called, and why never behind its filter.
FIND_USER = "sandbox/ids.cc: find_user(), which localproxy alone calls, as root, before it becomes that user"
PLACES = "sandbox/system_files.cc, base/path.cc, base/directory.cc: where files really are, before Landlock is told"
EXCEPTIONS = {
    "localproxy": [
        ("C++ streams", "nlohmann-json, config/service_directory.cc: settings and --config-dir"),
        ("snprintf vsnprintf localeconv", "nlohmann-json: numbers of the settings"),
        ("isatty", "monitor/standard_streams.cc: what 0, 1 and 2 are"),
        ("getpwnam_r getpwuid_r", FIND_USER),
        ("getpwuid", "monitor/check.cc: --check enters no filter"),
        ("if_nametoindex", "config/endpoint.cc: the interface of a link-local address on the command line"),
        ("opendir readdir closedir", "monitor/check.cc: certificates, which are looked at before the filter"),
        ("realpath", "monitor/resolver.cc: where the files of resolve are"),
        ("glob", "--sandbox-policy, which enters no filter"),
    ],
    "localproxy-net": [
        ("tzset", "main/net.cc: it is there to read the time zone in time"),
        ("opendir readdir closedir", "tls/context.cc: certificates"),
        ("getpwnam_r getpwuid_r", FIND_USER),
    ],
    "localproxy-bridge": [("getpwnam_r getpwuid_r", FIND_USER)],
    "localproxy-resolve": [
        ("getaddrinfo gai_strerror", "it is what its filter is made for"),
        ("getpwnam_r getpwuid_r", FIND_USER),
        ("opendir readdir closedir glob realpath", PLACES),
    ],
    "localproxy-launch": [
        ("getpwnam_r getpwuid_r", FIND_USER),
        ("opendir readdir closedir glob realpath", PLACES),
    ],
}


def plain(symbol):
    """The name as in the manual."""
    symbol = re.sub(r"^__(\w+)_chk$", r"\1", symbol)
    symbol = re.sub(r"^__isoc\d+_", "", symbol)
    return re.sub(r"(?<=[a-z])64(?=$|_r$)", "", symbol)


def refused(path):
    """The functions of these kinds that a program imports: {(kind, name)}."""
    # What <iostream> initialises, it initialises before main(); since GCC 13 the library does, and this name asks for it.
    names = {plain(symbol) for symbol in elf.undefined_symbols(path)
             if "8ios_base4Init" not in symbol and symbol != "_ZSt21ios_base_library_initv"}
    return {(kind, name) for kind, pattern in REFUSED.items() for name in names if re.fullmatch(pattern, name)}


def check(path):
    found = refused(path)
    for names, _ in EXCEPTIONS[path.name]:
        excepted = {(kind, name) for kind, name in found if kind == names or name in names.split()}
        if not excepted:
            yield f"{path.name} does not import {names} any more: take its exception away"
        found -= excepted
    for kind, name in sorted(found):
        yield f"{path.name} imports {name} ({kind}), which no filter allows; what is only before it is in EXCEPTIONS"


def main():
    directory = pathlib.Path(sys.argv[1])
    if "__asan_init" in elf.undefined_symbols(directory / "localproxy"):
        tree.skip("a build with AddressSanitizer has no filter")
    tree.finish([problem for program in EXCEPTIONS for problem in check(directory / program)], len(EXCEPTIONS))


if __name__ == "__main__":
    main()
