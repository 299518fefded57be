"""Bits of integers: SHA-256 and a block cipher written in Python, checked against hashlib."""

import hashlib

MASK = 0xFFFFFFFF


def primes():
    found, number = [], 2
    while True:
        if all(number % prime for prime in found):
            found.append(number)
            yield number
        number += 1


def root_bits(number, power):
    low, high = 0, number << 32
    while high - low > 1:
        middle = (low + high) // 2
        if middle**power <= number << 32 * power:
            low = middle
        else:
            high = middle
    return low & MASK


source = primes()
PRIMES = [next(source) for _ in range(64)]
START = [root_bits(prime, 2) for prime in PRIMES[:8]]
ROUND = [root_bits(prime, 3) for prime in PRIMES]


def turn(word, by):
    return (word >> by | word << 32 - by) & MASK


def sha256(data):
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + (8 * len(data)).to_bytes(8, "big")
    state = START[:]
    for start in range(0, len(padded), 64):
        words = [int.from_bytes(padded[start + at : start + at + 4], "big") for at in range(0, 64, 4)]
        for at in range(16, 64):
            a, b = words[at - 15], words[at - 2]
            small = turn(a, 7) ^ turn(a, 18) ^ a >> 3
            large = turn(b, 17) ^ turn(b, 19) ^ b >> 10
            words.append((words[at - 16] + small + words[at - 7] + large) & MASK)
        a, b, c, d, e, f, g, h = state
        for at in range(64):
            one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + ROUND[at] + words[at]
            two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c)
            a, b, c, d, e, f, g, h = (one + two) & MASK, a, b, c, (d + one) & MASK, e, f, g
        state = [(old + new) & MASK for old, new in zip(state, (a, b, c, d, e, f, g, h))]
    return b"".join(word.to_bytes(4, "big") for word in state).hex()


def scramble(left, right, key, rounds=32):
    total = 0
    for _ in range(rounds):
        left = left + ((right << 4 ^ right >> 5) + right ^ total + key[total & 3]) & MASK
        total = total + 0x9E3779B9 & MASK
        right = right + ((left << 4 ^ left >> 5) + left ^ total + key[total >> 11 & 3]) & MASK
    return left, right


data = bytes(number * 7 % 256 for number in range(9000))
assert sha256(data) == hashlib.sha256(data).hexdigest()
assert sha256(b"abc") == hashlib.sha256(b"abc").hexdigest()
block = (1, 2)
for _ in range(900):
    block = scramble(*block, (11, 22, 33, 44))
print(sha256(data)[:24], *block)
