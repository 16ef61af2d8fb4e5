#!/usr/bin/python3
"""The specification in proto/README.md agrees with the code: its limits are the constants that they name, its fields
and types are those of tunnel.proto, and its byte examples are what generated code makes of their texts.

    protocol.py PROTOC
"""

import ast
import operator
import re
import subprocess
import sys

import tree

PAGE = tree.ROOT / "proto" / "README.md"
SCHEMA = tree.ROOT / "proto" / "tunnel.proto"
MESSAGE = "com.amazonaws.iot.securedtunneling.Message"

CONSTANT = re.compile(r"^inline constexpr (?:[\w:]+) (k\w+)(?:\{| = )([^;]+?)\}?;", re.MULTILINE)
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.LShift: operator.lshift}


def evaluate(node, constants):
    """The value of an expression of numbers, constants, + - * and <<; None for any other."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        sides = evaluate(node.left, constants), evaluate(node.right, constants)
        return None if None in sides else ARITHMETIC[type(node.op)](*sides)
    return None


def constants_of_code():
    """Name -> value of the numeric constants of all headers."""
    found = {}
    for path in tree.sources("src"):
        for name, value in CONSTANT.findall(tree.text(path)) if path.suffix == ".h" else ():
            plain = re.sub(r"(?<=\d)'(?=\d)|(?<=\d)[Uu]\b", "", value)
            try:
                found[name] = evaluate(ast.parse(plain, mode="eval").body, found)
            except SyntaxError:
                continue
    return found


def rows(page, columns):
    """The cells of all table rows with this many columns."""
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == columns:
            yield cells


def limits(page):
    constants = constants_of_code()
    named = [(what, number, name) for what, number, constant, _ in rows(page, 4)
             for name in re.findall(r"^`(k\w+)`$", constant)]
    if len(named) < 20:
        yield "the table of limits cannot be parsed"
    for what, number, name in named:
        if constants.get(name) != int(number.replace(",", "")):
            yield f"{what}: {number}, but {name} is {constants.get(name)}"
    for name in sorted(set(re.findall(r"`(k[A-Z]\w+)`", page)) - set(constants)):
        yield f"{name} is in no header"


def schema(page):
    text = tree.text(SCHEMA)
    fields = set(re.findall(r"^  (?:repeated )?\w+ (\w+) = (\d+);", text, re.MULTILINE))
    types = set(re.findall(r"^    ([A-Z_]+) = (\d+);", text, re.MULTILINE))
    for what, expected, columns in (("field", fields, 4), ("type", types - {("UNKNOWN", "0")}, 6)):
        shown = {(cells[0], cells[1]) for cells in rows(page, columns) if cells[1].isdigit() and len(cells[1]) == 1}
        if shown != expected:
            yield f"{what}s: the page and the schema differ in {sorted(shown ^ expected)}"


def examples(page, protoc):
    shown = re.findall(r"^\| `(type: [^`]+)` \| `([0-9a-f ]+)` \|$", page, re.MULTILINE)
    if len(shown) < 5:
        yield "the table of examples cannot be parsed"
    for text, digits in shown:
        done = subprocess.run([protoc, f"--proto_path={SCHEMA.parent}", f"--encode={MESSAGE}", SCHEMA.name],
                              input=text.encode(), stdout=subprocess.PIPE, check=False)
        frame = len(done.stdout).to_bytes(2, "big") + done.stdout
        if done.returncode or frame != bytes.fromhex(digits):
            yield f"{text}: is {frame.hex(' ')}"
    masked = re.search(r"with the mask `([0-9a-f ]+)`:\n\n```\n([0-9a-f ]+)\n```", page)
    key, frame = (bytes.fromhex(digits) for digits in masked.groups())
    payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(frame[6:]))
    if frame[:6] != bytes((0x82, 0x80 | len(payload))) + key:
        yield "the WebSocket frame has another header"
    if payload.hex(" ") not in [digits for text, digits in shown if "DATA" in text]:
        yield f"the WebSocket frame has {payload.hex(' ')}"


def main():
    page = tree.text(PAGE)
    tree.finish([*limits(page), *schema(page), *examples(page, sys.argv[1])], 3)


if __name__ == "__main__":
    main()
