"""The json module: documents written and read again."""

import json

tree = {"name": "root", "size": 0, "tags": ["a", "b\u00e9", 'quoted "text"'], "ratio": 0.125, "ok": True, "none": None}
for depth in range(6):
    tree = {f"child {number}": {**tree, "size": number + depth} for number in range(3)}
total = 0
for indent in (None, 1):
    for ascii_only in (True, False):
        text = json.dumps(tree, indent=indent, ensure_ascii=ascii_only, sort_keys=True)
        again = json.loads(text)
        total += len(text)
        assert again == tree
numbers = json.dumps([number / 7 for number in range(6000)] + list(range(20000)))
for _ in range(4):
    total += len(json.loads(numbers))
print(total, len(numbers))
