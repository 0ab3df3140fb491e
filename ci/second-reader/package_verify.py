"""A second reader of update packages, written from update/FORMAT.md alone.

    python3 package_verify.py KEYS.toml PACKAGE...

Prints a line for each file: its path, "good" or the step that refuses it, and why. It unpacks no zstd:
only images in plain members are compared. Standard library only; clear, not fast, and all in memory.
"""
import base64, hashlib, io, json, re, sys, zlib

class Refused(Exception): pass

def demand(condition, step, why):
    if not condition:
        raise Refused(step, why)

# Ed25519 (RFC 8032, 5.1). Points are in extended coordinates.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, NEUTRAL = -121665 * pow(121666, -1, P) % P, (0, 1, 1, 0)

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def times(n, p):
    return add(times(n // 2, add(p, p)), p if n % 2 else NEUTRAL) if n else NEUTRAL

def decoded(data):
    """The point of 32 bytes; the neutral one, which is of small order, where they are none."""
    y, odd = int.from_bytes(data, "little") % 2**255, data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    x = x if x % 2 == odd else P - x
    return (x, y, 1, x * y % P) if x * x % P == square and max(x, y) < P else NEUTRAL

def strictly_signed(key, message, signature):
    """Points have one spelling, so comparing that of R compares its bytes."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    small = any(times(8, decoded(data))[0] == 0 for data in (key, r))
    base = decoded((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    left, right = times(s, base), add(decoded(r), times(k, decoded(key)))
    same = all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
    return s < L and not small and same

# What packages and indexes have in common.
WORD, NUMBER, SHA = "[a-z0-9-]{1,32}", "(0|[1-9][0-9]{0,19})", "([0-9a-f]{64})"
VERSION, IMAGE = r"((?:(?:0|[1-9][0-9]*)\.){3}(?:0|[1-9][0-9]*))", f"([1-9][0-9]{{0,19}}) {SHA}"

def authentic(keys, domain, comment):
    """What is signed in a comment, or in an index, less the lines that are to be skipped."""
    form = domain + rb"((?:signature [0-9a-f]{16} [A-Za-z0-9+/]{86}==\n){0,8})---\n([\x01-\x7f]*)"
    match = re.fullmatch(form, comment)
    demand(match, "foreign", "the comment is not of the form")
    lines = [line.split(" ")[1:] for line in match[1].decode().splitlines()]
    spelt = all(base64.b64encode(base64.b64decode(value)).decode() == value for _, value in lines)
    demand(spelt, "foreign", "another spelling of Base64")
    revoked = re.findall('"([0-9a-f]{16})"', "".join(re.findall(r"(?m)^revoked = \[.*\]", keys)))
    listed = [base64.b64decode(key) for key in re.findall('(?m)^public = "(.*)"', keys)]
    usable = {hashlib.sha256(key).hexdigest()[:16]: key for key in listed}
    good = {id for id, _ in lines if id in usable and id not in revoked}
    for id, value in lines:
        fine = id not in good or strictly_signed(usable[id], domain + match[2], base64.b64decode(value))
        demand(fine, "untrusted", f"the signature of {id} is wrong")
    enough = int(re.search(r"(?m)^threshold = (\d+)", keys)[1])
    demand(len(good) >= max(1, enough), "untrusted", f"{len(good)} of {enough} signatures")
    return re.sub(r"(?m)^x-.*\n", "", match[2].decode())

def fit(texts):
    """Parts of versions are below 2^32, other numbers below 2^64; what has 64 digits is a digest."""
    numbers = [text for text in texts if text and len(text) != 64]
    return all(int(n) < (2**32 if "." in text else 2**64) for text in numbers for n in text.split("."))

def main(read):
    """`read` gives what to say of a good file, or raises."""
    keys, *paths = sys.argv[1:]
    for path in paths:
        try:
            said = "good", read(open(keys).read(), open(path, "rb"))
        except Refused as refused:
            said = refused.args
        except (zlib.error, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            said = "content", repr(error)  # of deflate, or of JSON of another shape
        print(path, *said, flush=True)

# The steps of a package, in the order of the document.
HEADER = (f"product {WORD}\narch {WORD}\nhardware {WORD}(?:,{WORD})*\nversion {VERSION}\nmin-from {VERSION}\n"
          f"security-epoch {NUMBER}\nbuild-time {NUMBER}\n(?:base {VERSION} {IMAGE} {IMAGE}\n)?system {IMAGE}\n"
          f"boot {IMAGE}\nbody {NUMBER}\nchunk (1048576|4194304)\n((?:[0-9a-f]{{64}}\n)*)")

def unpacked(file, digests, left, chunk):
    """The tar: all of it, once every chunk is what was signed."""
    body, inflate = b"", zlib.decompressobj(-15)
    for digest in digests:
        data = file.read(min(chunk, left))
        demand(len(data) == min(chunk, left), "short", "the body ends too soon")
        demand(hashlib.sha256(data).hexdigest() == digest, "chunk", "a chunk is damaged")
        body, left = body + data, left - len(data)
    tar = inflate.decompress(body)
    trailer = zlib.crc32(tar).to_bytes(4, "little") + (len(tar) % 2**32).to_bytes(4, "little")
    demand(inflate.eof and inflate.unused_data == trailer, "content", "the end of the gzip stream")
    demand(not file.read(1), "trailing", "bytes behind the last chunk")
    return io.BytesIO(tar)

def take(tar, length):
    piece = tar.read(length)
    demand(len(piece) == length, "content", "the tar ends too soon")
    return piece

def content(tar, name):
    """The bytes of the next file of the tar, which must have this name."""
    head = take(tar, 512)
    octal, binary = re.fullmatch(rb"([0-7]{11})\0", head[124:136]), int.from_bytes(head[128:136], "big")
    demand(octal or (head[124:128] == b"\x80\0\0\0" and binary >= 8 << 30), "content", "a size")
    form = b"".join((name.encode().ljust(100, b"\0"), head[100:148], b" " * 8, b"0", bytes(100),
                     b"ustar\x0000", head[265:345], bytes(167)))
    form = form[:148] + b"%07o\0" % sum(form) + form[156:]
    demand(head == form, "content", f"another head than that of {name}")
    data = take(tar, int(octal[1], 8) if octal else binary)
    take(tar, -len(data) % 512)
    return data

MEMBER = ('{"name": "([a-z0-9-][a-z0-9.-]{0,63})", "role": "ROLE", "encoding": "(plain|zstd|delta)", "size": '
          + NUMBER + "}")
MEMBERS = ", ".join(MEMBER.replace("ROLE", role) for role in ("system", "boot"))

def manifest(text):
    """Name, encoding and size of each member."""
    found = json.loads(text.decode())
    spelt = text.decode() == json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    log = found.pop("changelog") if list(found)[1] == "changelog" else {"": ""}
    match = re.fullmatch(r'{"format": 1, "members": \[' + MEMBERS + r"\]}", json.dumps(found))
    words = log and list(log) == sorted(log) and all(type(text) is str for text in log.values())
    demand(spelt and match and words and len(text) <= 1 << 20, "content", "MANIFEST")
    demand(match[1] != match[4] and fit((match[3], match[6])), "content", "MANIFEST: a name, or a size")
    return match.groups()[:3], match.groups()[3:]

def package(keys, file):
    head, (comment, nul, _) = file.read(10), file.read(60_001).partition(b"\0")
    demand(head == bytes.fromhex("1f8b0810 00000000 00ff") and nul, "foreign", "another head, or one without end")
    match = re.fullmatch(HEADER, authentic(keys, b"vigie-package 1\n", comment))
    demand(match, "header", "a line that is not of the form")
    version, _, epoch, _, base, *_, system, system_sha, boot, boot_sha, body, chunk, digests = match.groups()
    demand(fit(match.groups()[:-1]) and int(epoch) < 2**32, "header", "a number that is too large")
    digests, body, chunk = digests.split(), int(body), int(chunk)
    demand(0 < -(-body // chunk) == len(digests), "content", "not as many digests as chunks")
    file.seek(10 + len(comment) + 1)
    tar, wrong = unpacked(file, digests, body, chunk), []
    members = manifest(content(tar, "MANIFEST"))
    for (name, encoding, size), length, digest in zip(members, (system, boot), (system_sha, boot_sha)):
        data, plain = content(tar, name), encoding == "plain"
        sized = len(data) == int(size) and (not plain or size == length)
        demand(sized, "content", "a size that is not that of MANIFEST, or of the header")
        demand(encoding != "delta" or base, "content", "differences without a base")
        wrong += [name] * (plain and hashlib.sha256(data).hexdigest() != digest)
    demand(tar.read() == bytes(1024), "content", "the end of the tar")
    demand(not wrong, "image", f"{wrong} is not the image of the header")
    return version

if __name__ == "__main__":
    main(package)
