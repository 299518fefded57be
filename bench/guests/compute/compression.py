"""Bytes and heaps: a dictionary coder and Huffman's codes, there and back, next to zlib."""

import heapq
import zlib
from collections import Counter


def pack(data):
    codes, current, out = {bytes([byte]): byte for byte in range(256)}, b"", []
    for byte in data:
        longer = current + bytes([byte])
        if longer in codes:
            current = longer
        else:
            out.append(codes[current])
            codes[longer] = len(codes)
            current = bytes([byte])
    return [*out, codes[current]]


def unpack(numbers):
    entries = [bytes([byte]) for byte in range(256)]
    out = [entries[numbers[0]]]
    for number in numbers[1:]:
        entry = entries[number] if number < len(entries) else out[-1] + out[-1][:1]
        entries.append(out[-1] + entry[:1])
        out.append(entry)
    return b"".join(out)


def huffman(data):
    heap = [(count, byte, byte) for byte, count in Counter(data).items()]
    heapq.heapify(heap)
    number = 256
    while len(heap) > 1:
        one, other = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (one[0] + other[0], number, (one[2], other[2])))
        number += 1
    codes, stack = {}, [(heap[0][2], "")]
    while stack:
        tree, code = stack.pop()
        if isinstance(tree, tuple):
            stack += [(tree[0], code + "0"), (tree[1], code + "1")]
        else:
            codes[tree] = code
    return codes, heap[0][2]


def decode(bits, tree):
    out, node = bytearray(), tree
    for bit in bits:
        node = node[bit == "1"]
        if not isinstance(node, tuple):
            out.append(node)
            node = tree
    return bytes(out)


data = b"".join(
    b"row %d: %s %d;" % (n, [b"alpha", b"beta", b"gamma", b"delta"][n * n % 4], n * 37 % 101) for n in range(1900)
)
numbers = pack(data)
assert unpack(numbers) == data
codes, tree = huffman(data)
bits = "".join(map(codes.__getitem__, data))
assert decode(bits, tree) == data
print(len(data), len(numbers), len(bits) // 8, zlib.crc32(data), len(zlib.decompress(zlib.compress(data, 9))))
