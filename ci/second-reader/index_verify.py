"""A second reader of indexes of packages, written from update/FORMAT.md alone.

    python3 index_verify.py KEYS.toml FILE.index...

Prints a line for each file: its path, "good" or the step that refuses it, and why.
"""
import re
from package_verify import NUMBER, SHA, VERSION, WORD, authentic, demand, fit, main

HEAD = f"product {WORD}\narch {WORD}\nmade {NUMBER}\nserial {NUMBER}\n"
ENTRY = (f"package {VERSION} {VERSION} {NUMBER} (?:-|{VERSION}) {WORD}(?:,{WORD})* ([1-9][0-9]*) {SHA} "
         r"([A-Za-z0-9_-][A-Za-z0-9._-]{0,95}\.tgz)\n")

def index(keys, file):
    text = file.read(60_001)
    demand(len(text) <= 60_000, "foreign", "too long")
    lines = authentic(keys, b"vigie-index 1\n", text)
    match = re.fullmatch(f"{HEAD}((?:package .*\n)*)", lines)
    found = [re.fullmatch(ENTRY, line) for line in re.findall(".*\n", match[3])] if match else [None]
    demand(all(found) and len(found) <= 256, "header", "a line that is none")
    entries = [entry.groups() for entry in found]
    fits = fit(match.groups()[:2]) and all(fit(entry[:5]) and int(entry[2]) < 2**32 for entry in entries)
    names = [entry[6] for entry in entries]
    demand(fits and names == sorted(set(names)), "header", "a number that is too large, or the order")
    return f"{len(entries)} packages"

if __name__ == "__main__":
    main(index)
