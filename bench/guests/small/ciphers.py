import base64
import binascii
import hashlib
import hmac
import string
from itertools import cycle

MESSAGE = "Meet me at the old bridge at nine; bring the letters, and tell nobody."
FREQUENT = "etaoinshrdlucmfwypvbgkjqxz"


def caesar(text, shift):
    lower, upper = string.ascii_lowercase, string.ascii_uppercase
    table = str.maketrans(lower + upper, lower[shift:] + lower[:shift] + upper[shift:] + upper[:shift])
    return text.translate(table)


def vigenere(text, key, direction=1):
    out, keys = [], cycle(ord(letter) - ord("a") for letter in key)
    for letter in text:
        if letter.isalpha():
            base = ord("A" if letter.isupper() else "a")
            out.append(chr((ord(letter) - base + direction * next(keys)) % 26 + base))
        else:
            out.append(letter)
    return "".join(out)


def crack_caesar(text):
    def score(shift):
        return sum(FREQUENT.index(letter) for letter in caesar(text, shift).lower() if letter.isalpha())

    return min(range(26), key=score)


def xor(data, key):
    return bytes(a ^ b for a, b in zip(data, cycle(key)))


secret = caesar(MESSAGE, 11)
print(secret)
shift = crack_caesar(secret)
print(shift, caesar(secret, shift) == MESSAGE)
hidden = vigenere(MESSAGE, "lemon")
print(hidden, vigenere(hidden, "lemon", -1) == MESSAGE)
masked = base64.b64encode(xor(MESSAGE.encode(), b"k3y")).decode()
print(masked[:32], xor(base64.b64decode(masked), b"k3y").decode() == MESSAGE)
print(hashlib.sha256(MESSAGE.encode()).hexdigest()[:32], hashlib.md5(b"", usedforsecurity=False).hexdigest())
print(hmac.new(b"key", MESSAGE.encode(), "sha1").hexdigest())
print(binascii.crc32(MESSAGE.encode()), binascii.hexlify(b"wasm").decode(), base64.b32encode(b"bench").decode())
try:
    base64.b64decode("not base64!", validate=True)
except binascii.Error as error:
    print("refused:", type(error).__name__)
