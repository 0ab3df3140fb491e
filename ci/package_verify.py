"""A second reader of update packages and their indexes, written from update/FORMAT.md alone.

    python3 package_verify.py KEYS.toml PACKAGE|FILE.index...

Prints a line for each file: its path, "good" or the step that refuses it, and why. It unpacks no
zstd: only images in plain members are compared. Standard library only; clear, not fast.
"""
import base64, hashlib, json, re, sys, zlib

class Refused(Exception): pass

def demand(condition, step, why):
    if not condition:
        raise Refused(step, why)

# Ed25519 (RFC 8032, 5.1), points in extended coordinates.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, NEUTRAL = -121665 * pow(121666, -1, P) % P, (0, 1, 1, 0)

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def times(n, p):
    total = NEUTRAL
    while n:
        total = add(total, p) if n & 1 else total
        n, p = n >> 1, add(p, p)
    return total

def decoded(data):
    """The point of 32 bytes; of small order where they are none."""
    y, sign = int.from_bytes(data, "little") & (2**255 - 1), data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    x = root if root * root % P == square else root * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square or (x == 0 and sign):
        return NEUTRAL
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P

def encoded(p):
    x, y = p[0] * pow(p[2], -1, P) % P, p[1] * pow(p[2], -1, P) % P
    return (y | (x & 1) << 255).to_bytes(32, "little")

def strictly_signed(key, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    small = [data for data in (key, r) if encoded(times(8, decoded(data))) == encoded(NEUTRAL)]
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    base = decoded((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    return not small and s < L and encoded(add(times(s, base), times(L - k, decoded(key)))) == r

PACKAGE, INDEX = b"vigie-package 1\n", b"vigie-index 1\n"

# The steps, in the order of the document.
def taken_apart(domain, comment):
    form = domain + rb"((?:signature [0-9a-f]{16} [A-Za-z0-9+/]{86}==\n){0,8})---\n([\x01-\x7f]*)"
    match = re.fullmatch(form, comment)
    demand(match, "foreign", "the comment is not of the form")
    lines = [line.decode().split(" ") for line in match[1].splitlines()]
    signatures = [(id, base64.b64decode(value)) for _, id, value in lines]
    unused = [line for line, (_, value) in zip(lines, signatures) if base64.b64encode(value).decode() != line[2]]
    demand(not unused, "foreign", "another spelling of Base64")
    return signatures, match[2]

def envelope(file):
    demand(file.read(10) == bytes.fromhex("1f8b0810 00000000 00ff"), "foreign", "not a package's head")
    comment, nul, _ = file.read(60_001).partition(b"\0")
    demand(nul, "foreign", "the comment does not end")
    file.seek(10 + len(comment) + 1)
    return taken_apart(PACKAGE, comment)

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

WORD, NUMBER, SHA = "[a-z0-9-]{1,32}", "(0|[1-9][0-9]{0,19})", "([0-9a-f]{64})"
VERSION, IMAGE = r"((?:(?:0|[1-9][0-9]*)\.){3}(?:0|[1-9][0-9]*))", f"([1-9][0-9]{{0,19}}) {SHA}"
FIELDS = [("product", WORD), ("arch", WORD), ("hardware", f"{WORD}(?:,{WORD})*"), ("version", VERSION),
          ("min-from", VERSION), ("security-epoch", NUMBER), ("build-time", NUMBER),
          ("base", f"{VERSION} {IMAGE} {IMAGE}"), ("system", IMAGE), ("boot", IMAGE), ("body", NUMBER),
          ("chunk", "(1048576|4194304)")]

def header(signed):
    demand(signed.endswith(b"\n"), "header", "no end of the last line")
    lines = [line for line in signed.decode().split("\n")[:-1] if not line.startswith("x-")] + ["", ""]
    found = {}
    for name, form in FIELDS:
        if name == "base" and not lines[0].startswith("base "):
            continue
        line = lines.pop(0)
        match = re.fullmatch(f"{name} {form}", line)
        demand(match, "header", f"{line!r} where {name} must stand")
        found[name] = match.groups()
        large = [n for text in found[name] if len(text) != 64 for n in text.split(".")
                 if int(n) >= (2**32 if "." in text or name == "security-epoch" else 2**64)]
        demand(not large, "header", f"{name}: {large} is too large")
    digests, body, chunk = lines[:-2], int(found["body"][0]), int(found["chunk"][0])
    demand(all(re.fullmatch(SHA, line) for line in digests), "header", "a line that is no digest")
    demand(0 < -(-body // chunk) == len(digests), "content", "not as many digests as chunks")
    return found, digests, body, chunk

def unpacked(file, digests, left, chunk):
    """What the body unpacks to, piece by piece; demands that nothing follows it."""
    inflate, crc, length, behind = zlib.decompressobj(-15), 0, 0, b""
    for digest in digests:
        data = file.read(min(chunk, left))
        demand(len(data) == min(chunk, left), "short", "the body ends too soon")
        demand(hashlib.sha256(data).hexdigest() == digest, "chunk", "a chunk is damaged")
        left -= len(data)
        piece = data
        while piece and not inflate.eof:
            piece = inflate.decompress(data, 1 << 20)
            crc, length = zlib.crc32(piece, crc), length + len(piece)
            data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            yield piece
        behind = (behind + data)[:9]
    trailer = crc.to_bytes(4, "little") + (length % 2**32).to_bytes(4, "little")
    demand(inflate.eof and behind == trailer, "content", "the end of the gzip stream")
    demand(not file.read(1), "trailing", "bytes behind the last chunk")

class Tar:
    def __init__(self, pieces):
        self.pieces, self.rest = pieces, b""

    def take(self, length):
        while length:
            self.rest = self.rest or next(self.pieces, None)
            demand(self.rest is not None, "content", "the tar ends too soon")
            piece, self.rest = self.rest[:length], self.rest[length:]
            length -= len(piece)
            yield piece

    def file(self, name):
        """The size of the next file, which must have this name."""
        head = b"".join(self.take(512))
        octal, binary = re.fullmatch(rb"([0-7]{11})\0", head[124:136]), int.from_bytes(head[128:136], "big")
        demand(octal or (head[124:128] == b"\x80\0\0\0" and binary >= 8 << 30), "content", "a size")
        form = b"".join((name.encode().ljust(100, b"\0"), head[100:148], b" " * 8, b"0", bytes(100),
                         b"ustar\x0000", head[265:345], bytes(167)))
        form = form[:148] + b"%07o\0" % sum(form) + form[156:]
        demand(head == form, "content", f"another head than that of {name}")
        return int(octal[1], 8) if octal else binary

def manifest(text):
    found = json.loads(text.decode())
    members = [{"name": str(member["name"]), "role": role, "encoding": str(member["encoding"]), "size": int(member["size"])}
               for role, member in zip(("system", "boot"), found["members"])]
    log = {language: str(found["changelog"][language]) for language in sorted(found.get("changelog", {}))}
    form = {"format": 1} | ({"changelog": log} if log else {}) | {"members": members}
    good = text.decode() == json.dumps(form, indent=2, ensure_ascii=False) + "\n" and len(members) == 2
    for member in members:
        good &= bool(re.fullmatch("[a-z0-9-][a-z0-9.-]{0,63}", member["name"]))
        good &= member["encoding"] in ("plain", "zstd", "delta") and 0 <= member["size"] < 2**64
    demand(good and members[0]["name"] != members[1]["name"], "content", "MANIFEST")
    return members

def body(fields, pieces):
    tar, wrong = Tar(pieces), []
    size = tar.file("MANIFEST")
    demand(size <= 1 << 20, "content", "MANIFEST is too large")
    members = manifest(b"".join(tar.take(size)))
    for member in members:
        list(tar.take(-size % 512))
        size, encoding, (length, digest) = tar.file(member["name"]), member["encoding"], fields[member["role"]]
        demand(size == member["size"], "content", "a size that is not that of MANIFEST")
        demand(encoding != "plain" or size == int(length), "content", "a size that is not that of the header")
        demand(encoding != "delta" or "base" in fields, "content", "differences without a base")
        hasher = hashlib.sha256()
        for piece in tar.take(size):
            hasher.update(piece)
        wrong += [member["name"]] * (encoding == "plain" and hasher.hexdigest() != digest)
    list(tar.take(-size % 512))
    demand(b"".join(tar.take(1024)) == bytes(1024), "content", "the end of the tar")
    demand(not tar.rest and not any(pieces), "content", "bytes behind the end of the tar")
    demand(not wrong, "image", f"{wrong} is not the image of the header")

ENTRY = (f"package {VERSION} {VERSION} {NUMBER} (?:-|{VERSION}) {WORD}(?:,{WORD})* ([1-9][0-9]*) {SHA} "
         r"([A-Za-z0-9_-][A-Za-z0-9._-]{0,95}\.tgz)")

def index(keys, text):
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
    return "good", f"{len(found)} packages"

def verdict(keys, path):
    try:
        with open(path, "rb") as file:
            if path.endswith(".index"):
                return index(keys, file.read(60_001))
            signatures, signed = envelope(file)
            trusted(keys, PACKAGE, signatures, signed)
            fields, *body_of = header(signed)
            body(fields, unpacked(file, *body_of))
            return "good", fields["version"][0]
    except Refused as refused:
        return refused.args
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return "content", repr(error)  # of deflate, or of JSON of another shape

if __name__ == "__main__":
    for path in sys.argv[2:]:
        print(path, *verdict(open(sys.argv[1]).read(), path), flush=True)
