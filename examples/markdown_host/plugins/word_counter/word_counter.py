"""Counts words. Needs nothing but the text that it is passed."""

import re
from collections import Counter

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"\]\([^)\n]*\)")
WORDS_A_MINUTE = 200


def words_of(text: str) -> list[str]:
    """Return the words of a document in small letters; code and targets of links are none."""
    return [word.lower() for word in WORD.findall(TARGET.sub("]", FENCED.sub("", text)))]


def on_saved(document: str, text: str) -> list[str]:
    words = words_of(text)
    return [f"{len(words)} words, {max(1, round(len(words) / WORDS_A_MINUTE))} min to read"]


def report_words(documents: dict[str, str]) -> list[str]:
    counted = {name: words_of(text) for name, text in documents.items()}
    lines = [
        f"{name}: {len(words)}" for name, words in sorted(counted.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    ]
    most = Counter(word for words in counted.values() for word in words)
    often = ", ".join(
        f"{word} {times}" for word, times in sorted(most.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    )
    return [f"{sum(map(len, counted.values()))} words in all, most often {often or 'none'}", *lines[:20]]
