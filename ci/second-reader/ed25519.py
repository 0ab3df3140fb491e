"""Ed25519 (RFC 8032, 5.1), as strictly as update/FORMAT.md asks. Points are in extended coordinates."""
import hashlib

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
