#!/usr/bin/python3
"""Manual pages pass mandoc's own checks and agree with the programs: the options of localproxy(1), of --help
and of the parser's table, exit statuses, environment variables, and the settings of localproxy.conf(5).

    manuals.py LOCALPROXY
"""

import json
import re
import shutil
import subprocess
import sys

import tree

# A build may lack it.
OPTIONAL = "no-ssl-host-verify"


def by_mandoc(mandoc, pages):
    """mandoc's findings. Manuals of other programs need not be installed here, but references to ours must resolve."""
    done = subprocess.run([mandoc, "-T", "lint", "-W", "style", *map(str, pages)], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in done.stdout.splitlines():
        if "referenced manual not found" not in line and "outdated mandoc.db" not in line:
            yield line
    names = {page.name for page in pages}
    for page in pages:
        for name, section in re.findall(r"^\.Xr (localproxy\S*) (\d)", tree.text(page), re.MULTILINE):
            if f"{name}.{section}" not in names:
                yield f"{tree.name(page)}: there is no {name}({section})"


def letters(argument):
    """The name of an argument without markup: HOST[:PORT] and "Ar host Ns Op : Ns Ar port"."""
    words = [word for word in re.split(r"\s+", argument) if word not in ("Ar", "Ns", "Op", "Cm")]
    return re.sub(r"[^a-z0-9-]", "", "".join(words).lower())


def options_of_manual(page):
    found = {}
    for line in re.findall(r"^\.It (Fl .*)$", page, re.MULTILINE):
        parts = re.fullmatch(r"(?:Fl (\w) , )?Fl -([a-z0-9-]+)(.*)", line)
        if parts:
            found[parts[2]] = (parts[1] or "", letters(parts[3]))
    return found


def options_of_help(text):
    rows = re.findall(r"^  (?:-(\w),)?--([a-z0-9-]+)(?: ([^\s]+))?", text, re.MULTILINE)
    return {name: (letter, letters(argument)) for letter, name, argument in rows}


def options_of_table(source):
    rows = re.findall(r"\{OptionId::\w+,\s*(?:'(\w)'|0),\s*Shape::\w+,\s*Origin::\w+,\s*\w+,\s*"
                      r'"([a-z0-9-]+)",\s*"([^"]*)",\s*"([^"]*)"', source)
    return ({name: (letter, letters(argument)) for letter, name, argument, _ in rows},
            {variable for *_, variable in rows if variable})


def section(page, title):
    return re.search(rf"^\.Sh {title}$(.*?)(?=^\.Sh |\Z)", page, re.MULTILINE | re.DOTALL)[1]


def difference(what, one, other):
    """Each difference between two tables or sets, as a text."""
    for name in sorted(set(one) | set(other)):
        if name not in one or name not in other:
            yield f"{what}: {name} is in one of the two only"
        elif isinstance(one, dict) and one[name] != other[name]:
            yield f"{what}: {name}: {one[name]} and {other[name]}"


def of_options(page, help_text):
    manual, shown = options_of_manual(page), options_of_help(help_text)
    table, _ = options_of_table(tree.text(tree.ROOT / "src/config/options.cc"))
    if len(table) < 20:
        yield "the table in src/config/options.cc is not understood"
    if OPTIONAL not in shown:
        shown[OPTIONAL] = table.get(OPTIONAL)
    yield from difference("options of the table and of --help", table, shown)
    yield from difference("options of the table and of localproxy(1)", table, manual)


def of_variables(page):
    _, expected = options_of_table(tree.text(tree.ROOT / "src/config/options.cc"))
    expected.add("CREDENTIALS_DIRECTORY")
    # Where the web proxy's variables are read; variables that are only erased are listed elsewhere.
    source = tree.text(tree.ROOT / "src/config/web_proxy.cc")
    expected |= set(re.findall(r'"([a-z]+_proxy|[A-Z]+_PROXY)"', source))
    source = tree.text(tree.ROOT / "src/config/certificates.cc")
    expected |= set(re.findall(r'"(SSL_[A-Z]+_[A-Z]+)"', source))
    described = " ".join(re.findall(r"^\.It (Ev .*)$", section(page, "ENVIRONMENT"), re.MULTILINE))
    yield from difference("variables that are read and those of localproxy(1)", expected,
                          set(re.findall(r"Ev (\w+)", described)))


def of_statuses(page):
    header = tree.text(tree.ROOT / "src/base/exit_status.h")
    yield from difference("exit statuses of the program and of localproxy(1)",
                          set(re.findall(r"^  k\w+ = (\d+)", header, re.MULTILINE)),
                          set(re.findall(r"^\.It (\d+)$", section(page, "EXIT STATUS"), re.MULTILINE)))


def leaves(node, prefix=""):
    """Dotted key -> value as text, of a JSON object; an object of regions is one key."""
    for name, value in node.items():
        key = prefix + name
        if key == "region_endpoint_overrides":
            yield key, ""
        elif isinstance(value, dict):
            yield from leaves(value, key + ".")
        else:
            yield key, json.dumps(value).strip('"')


def of_settings(page, exported):
    described = re.findall(r"^\.It Cm ([a-z_.]+)(?: Pq (\S+))?$", page, re.MULTILINE)
    yield from difference("settings that are exported and those of localproxy.conf(5)",
                          dict(leaves(json.loads(exported)["tunneling"]["proxy"])), dict(described))


def main():
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        tree.skip("mandoc is not installed")
    pages = [path for path in tree.files("man") if re.fullmatch(r"\.[1-9]", path.suffix)]

    def output(*arguments):
        return subprocess.run([sys.argv[1], *arguments], check=True, text=True, stdout=subprocess.PIPE).stdout
    page = tree.text(tree.ROOT / "man/localproxy.1")
    settings = tree.text(tree.ROOT / "man/localproxy.conf.5")
    problems = [
        *by_mandoc(mandoc, pages),
        *of_options(page, output("--help")),
        *of_variables(page),
        *of_statuses(page),
        *of_settings(settings, output("--export-default-settings", "-")),
    ]
    tree.finish(problems, len(pages))


if __name__ == "__main__":
    main()
