"""A second reader of indexes of packages, written from update/FORMAT.md alone.

    python3 index_verify.py KEYS.toml FILE.index...

Prints a line for each file: its path, "good" or the step that refuses it, and why.
"""
import re
from signed import NUMBER, SHA, VERSION, WORD, demand, main, taken_apart, trusted

INDEX = b"vigie-index 1\n"
ENTRY = (f"package {VERSION} {VERSION} {NUMBER} (?:-|{VERSION}) {WORD}(?:,{WORD})* ([1-9][0-9]*) {SHA} "
         r"([A-Za-z0-9_-][A-Za-z0-9._-]{0,95}\.tgz)")

def index(keys, file):
    text = file.read(60_001)
    demand(len(text) <= 60_000, "foreign", "too long")
    signatures, signed = taken_apart(INDEX, text)
    trusted(keys, INDEX, signatures, signed)
    demand(signed.endswith(b"\n"), "header", "no end of the last line")
    lines = [line for line in signed.decode().split("\n")[:-1] if not line.startswith("x-")]
    head = f"product {WORD}\narch {WORD}\nmade {NUMBER}\nserial {NUMBER}"
    start = re.fullmatch(head, "\n".join(lines[:4]))
    found = [re.fullmatch(ENTRY, line) for line in lines[4:]]
    demand(start and all(found) and len(found) <= 256, "header", "a line that is none")
    names, numbers = [entry[7] for entry in found], [*start.groups(), *(entry[5] for entry in found)]
    small = [n for entry in found for n in f"{entry[1]}.{entry[2]}.{entry[3]}.{entry[4] or 0}".split(".")]
    fits = all(int(n) < 2**64 for n in numbers) and all(int(n) < 2**32 for n in small)
    demand(fits and names == sorted(set(names)), "header", "a number that is too large, or the order")
    return f"{len(found)} packages"

if __name__ == "__main__":
    main(index)
