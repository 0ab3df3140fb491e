"""What packages and indexes have in common, from update/FORMAT.md alone: signatures and words."""
import base64, hashlib, re, sys, zlib
from ed25519 import strictly_signed

class Refused(Exception): pass

def demand(condition, step, why):
    if not condition:
        raise Refused(step, why)

WORD, NUMBER, SHA = "[a-z0-9-]{1,32}", "(0|[1-9][0-9]{0,19})", "([0-9a-f]{64})"
VERSION = r"((?:(?:0|[1-9][0-9]*)\.){3}(?:0|[1-9][0-9]*))"

def taken_apart(domain, comment):
    form = domain + rb"((?:signature [0-9a-f]{16} [A-Za-z0-9+/]{86}==\n){0,8})---\n([\x01-\x7f]*)"
    match = re.fullmatch(form, comment)
    demand(match, "foreign", "the comment is not of the form")
    lines = [line.decode().split(" ") for line in match[1].splitlines()]
    signatures = [(id, base64.b64decode(value)) for _, id, value in lines]
    unused = [line for line, (_, value) in zip(lines, signatures) if base64.b64encode(value).decode() != line[2]]
    demand(not unused, "foreign", "another spelling of Base64")
    return signatures, match[2]

def trusted(keys, domain, signatures, signed):
    revoked = re.findall('"([0-9a-f]{16})"', "".join(re.findall(r"^revoked = \[.*\]", keys, re.M)))
    listed = [base64.b64decode(key) for key in re.findall('^public = "(.*)"', keys, re.M)]
    by_id = {hashlib.sha256(key).hexdigest()[:16]: key for key in listed}
    good = {id for id, _ in signatures if id in by_id and id not in revoked}
    for id, signature in signatures:
        fine = id not in good or strictly_signed(by_id[id], domain + signed, signature)
        demand(fine, "untrusted", f"the signature of {id} is wrong")
    enough = max(1, int(re.search(r"^threshold = (\d+)", keys, re.M)[1]))
    demand(len(good) >= enough, "untrusted", f"{len(good)} of {enough} signatures")

def verdict(read, keys, path):
    try:
        with open(path, "rb") as file:
            return "good", read(keys, file)
    except Refused as refused:
        return refused.args
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return "content", repr(error)  # of deflate, or of JSON of another shape

def main(read):
    """`read` gives what to say of a good file, or raises."""
    keys, *paths = sys.argv[1:]
    for path in paths:
        print(path, *verdict(read, open(keys).read(), path), flush=True)
