"""A second reader of update packages, written from update/FORMAT.md alone.

    python3 package_verify.py KEYS.toml PACKAGE...

Prints for each file its path, "good" or the step that refuses it, and why. It compares plain images only.
"""
import hashlib, io, json, re, sys, zlib
from base64 import b64decode

class Refused(Exception): pass

def demand(condition, step, why):
    if not condition:
        raise Refused(step, why)

# Ed25519 (RFC 8032, 5.1), with the plain law of addition.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, I, NEUTRAL = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P), (0, 1)

def add(p, q):
    (x, y), (u, v) = p, q
    t = D * x * u * y * v % P
    inverse = pow(1 - t * t, -1, P)
    return (x * v + u * y) * (1 - t) * inverse % P, (y * v + x * u) * (1 + t) * inverse % P

def times(n, p):
    return add(times(n // 2, add(p, p)), p if n % 2 else NEUTRAL) if n else NEUTRAL

def decoded(data):
    """The point of 32 bytes; the neutral one, which is of small order, where they are none."""
    y, odd = int.from_bytes(data, "little") % 2**255, data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    roots = [root * turn % P for turn in (1, -1, I, -I)]
    fitting = [x for x in roots if x * x % P == square and x % 2 == odd]
    return (fitting[0], y) if fitting and y < P else NEUTRAL

def strictly_signed(key, message, signature):
    """Points have one spelling, so comparing that of R compares its bytes."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    base = decoded((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    small = any(times(8, decoded(data)) == NEUTRAL for data in (key, r))
    return s < L and not small and times(s, base) == add(decoded(r), times(k, decoded(key)))

# What packages and indexes have in common.
WORD, NUMBER, SHA = "[a-z0-9-]{1,32}", "(0|[1-9][0-9]{0,19})", "([0-9a-f]{64})"
VERSION, IMAGE = r"((?:(?:0|[1-9][0-9]*)\.){3}(?:0|[1-9][0-9]*))", f"([1-9][0-9]{{0,19}}) {SHA}"

def authentic(keys, domain, comment):
    """What is signed in a comment, or in an index, less the lines that are to be skipped."""
    form = domain + rb"((?:signature [0-9a-f]{16} [A-Za-z0-9+/]{85}[AQgw]==\n){0,8})---\n([\x01-\x7f]*)"
    match = re.fullmatch(form, comment)
    demand(match, "foreign", "the comment is not of the form")
    lines = re.findall("signature (.*) (.*)\n", match[1].decode())
    listed = [b64decode(key) for key in re.findall('(?m)^public = "(.*)"', keys)]
    usable = {hashlib.sha256(key).hexdigest()[:16]: key for key in listed}
    revoked = str(re.findall(r"(?m)^revoked = \[.*\]", keys))
    good = {id: usable[id] for id, _ in lines if id in usable and id not in revoked}
    signed = domain + match[2]
    wrong = [id for id, value in lines if id in good and not strictly_signed(good[id], signed, b64decode(value))]
    enough = max(1, int(re.search(r"(?m)^threshold = (\d+)", keys)[1]))
    demand(not wrong and len(good) >= enough, "untrusted", f"{len(good)} of {enough} signatures; wrong: {wrong}")
    return re.sub(r"(?m)^x-.*\n", "", match[2].decode())

def fit(texts):
    """Parts of versions are below 2^32, other numbers below 2^64; what has 64 digits is a digest."""
    numbers = [text for text in texts if text and len(text) != 64]
    return all(int(n) < (2**32 if "." in text else 2**64) for text in numbers for n in text.split("."))

def main(read):
    """`read` gives what to say of a good file, or raises."""
    for path in sys.argv[2:]:
        try:
            said = "good", read(open(sys.argv[1]).read(), open(path, "rb"))
        except Refused as refused:
            said = refused.args
        except (zlib.error, ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
            said = "content", repr(error)  # of deflate, or of JSON of another shape
        print(path, *said, flush=True)

HEADER = (f"product {WORD}\narch {WORD}\nhardware {WORD}(?:,{WORD})*\nversion {VERSION}\nmin-from {VERSION}\n"
          f"security-epoch {NUMBER}\nbuild-time {NUMBER}\n(?:base {VERSION} {IMAGE} {IMAGE}\n)?system {IMAGE}\n"
          f"boot {IMAGE}\nbody {NUMBER}\nchunk (1048576|4194304)\n((?:[0-9a-f]{{64}}\n)*)")

def take(file, length, step):
    piece = file.read(length)
    demand(len(piece) == length, step, "it ends too soon")
    return piece

def unpacked(file, digests, length, chunk):
    """The tar, once every chunk is what was signed; the least of gzip heads takes the place of the real one."""
    body, inflate = b"", zlib.decompressobj(31)
    for digest in digests:
        data = take(file, min(chunk, length - len(body)), "short")
        demand(hashlib.sha256(data).hexdigest() == digest, "chunk", "a chunk is damaged")
        body += data
    tar = inflate.decompress(bytes.fromhex("1f8b0800 00000000 00ff") + body)
    demand(inflate.eof and not inflate.unused_data, "content", "the end of the gzip stream")
    demand(not file.read(1), "trailing", "bytes behind the last chunk")
    return io.BytesIO(tar)

def content(tar, name):
    """The bytes of the next file of the tar, which must have this name."""
    head = take(tar, 512, "content")
    size = int.from_bytes(head[128:136], "big") if head[124] == 0x80 else int(head[124:135], 8)
    spelt = b"%011o\0" % size if 0 <= size < 8 << 30 else b"\x80\0\0\0" + size.to_bytes(8, "big")
    form = b"".join((name.encode().ljust(100, b"\0"), head[100:124], spelt, head[136:148], b" " * 8, b"0",
                     bytes(100), b"ustar\x0000", head[265:345], bytes(167)))
    form = form[:148] + b"%07o\0" % sum(form) + form[156:]
    demand(head == form, "content", f"another head than that of {name}")
    return take(tar, size + -size % 512, "content")[:size]

MEMBER = ('{"name": "([a-z0-9-][a-z0-9.-]{0,63})", "role": "%s", "encoding": "(plain|zstd|delta)", "size": '
          + NUMBER + "}")

def manifest(text):
    """Name, encoding and size of each member."""
    found = json.loads(text.decode())
    spelt = len(text) <= 1 << 20 and text.decode() == json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    log = found.pop("changelog") if list(found)[1] == "changelog" else {"": ""}
    form = r'{"format": 1, "members": \[%s, %s\]}' % (MEMBER % "system", MEMBER % "boot")
    match = re.fullmatch(form, json.dumps(found))
    words = type(log) is dict and log and sorted(log) == list(log) and {type(text) for text in log.values()} == {str}
    demand(spelt and words and match and match[1] != match[4] and fit((match[3], match[6])), "content", "MANIFEST")
    return match.groups()[:3], match.groups()[3:]

def package(keys, file):
    head, (comment, nul, _) = file.read(10), file.read(60_001).partition(b"\0")
    demand(head == bytes.fromhex("1f8b0810 00000000 00ff") and nul, "foreign", "another head, or one without end")
    match = re.fullmatch(HEADER, authentic(keys, b"vigie-package 1\n", comment))
    demand(match and fit(match.groups()[:-1]) and int(match[3]) < 2**32, "header", "a line, or its number")
    version, _, _, _, base, *_, system, system_sha, boot, boot_sha, body, chunk, digests = match.groups()
    digests, body, chunk = digests.split(), int(body), int(chunk)
    demand(0 < -(-body // chunk) == len(digests), "content", "not as many digests as chunks")
    file.seek(10 + len(comment) + 1)
    tar, wrong = unpacked(file, digests, body, chunk), []
    members = manifest(content(tar, "MANIFEST"))
    for (name, encoding, size), length, digest in zip(members, (system, boot), (system_sha, boot_sha)):
        data, plain = content(tar, name), encoding == "plain"
        sized = len(data) == int(size) and (not plain or size == length)
        demand(sized, "content", "a size that is not that of MANIFEST, or of the header")
        demand(base or encoding != "delta", "content", "differences without a base")
        wrong += [name] * (plain and hashlib.sha256(data).hexdigest() != digest)
    demand(tar.read() == bytes(1024), "content", "the end of the tar")
    demand(not wrong, "image", f"{wrong} is not the image of the header")
    return version

if __name__ == "__main__":
    main(package)
