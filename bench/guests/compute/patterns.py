"""The re module: searching, splitting and replacing in a text of 120 KB."""

import re

LINE = 'on {day:02}.{month:02}.2026 user_{user} <user{user}@mail{host}.example.org> paid EUR {euro},{cent:02} for "order #{user:05}"\n'
text = "".join(
    LINE.format(day=n % 28 + 1, month=n % 12 + 1, user=n * 7919 % 10007, host=n % 9, euro=n * 37 % 1000, cent=n % 100)
    for n in range(2600)
)
mails = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
money = re.compile(r"\b(EUR|USD)\s+(\d+),(\d\d)\b")
total = sum(int(match[2]) * 100 + int(match[3]) for match in money.finditer(text))
turned = re.sub(r"(\d\d)\.(\d\d)\.(\d{4})", lambda match: "-".join(match.group(3, 2, 1)), text)
words = re.split(r"[^A-Za-z]+", text)
pairs = re.findall(r"(?i)\b(user)_(\d+)\b(?=.*#0*\2\b)", text)
backwards = re.findall(r"(?:a|ab|aab|aaab)+c", "aaabaabab" * 120 + "c")
print(len(set(mails.findall(text))), total, len(words), len(pairs), len(backwards[0]))
print(turned[:14], len(re.findall(r"^on 2026-0[1-6]", turned, re.MULTILINE)))
