"""A second reader of update packages, written from update/FORMAT.md alone.

    python3 package_verify.py KEYS.toml PACKAGE...

Prints a line for each file: its path, "good" or the step that refuses it, and why. It unpacks no
zstd: only images in plain members are compared. Standard library only; clear, not fast.
"""
import hashlib, json, re, zlib
from signed import NUMBER, SHA, VERSION, WORD, demand, main, taken_apart, trusted

PACKAGE, IMAGE = b"vigie-package 1\n", f"([1-9][0-9]{{0,19}}) {SHA}"

# The steps, in the order of the document.
def envelope(file):
    demand(file.read(10) == bytes.fromhex("1f8b0810 00000000 00ff"), "foreign", "not a package's head")
    comment, nul, _ = file.read(60_001).partition(b"\0")
    demand(nul, "foreign", "the comment does not end")
    file.seek(10 + len(comment) + 1)
    return taken_apart(PACKAGE, comment)

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

def package(keys, file):
    signatures, signed = envelope(file)
    trusted(keys, PACKAGE, signatures, signed)
    fields, *body_of = header(signed)
    body(fields, unpacked(file, *body_of))
    return fields["version"][0]

if __name__ == "__main__":
    main(package)
