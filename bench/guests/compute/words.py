"""Strings and dictionaries: counting, joining, formatting, translating."""

SYLLABLES = ["ka", "lo", "mi", "ner", "tos", "u", "vel", "zan", "qui", "ba"]


def make_text(count):
    seed = 7
    for _ in range(count):
        word = ""
        for _ in range(seed % 3 + 1):
            seed = (seed * 69069 + 1) % 2**32
            word += SYLLABLES[seed >> 8 & 15 if (seed >> 8 & 15) < 10 else 0]
        yield word.capitalize() if seed % 11 == 0 else word


text = " ".join(make_text(30000))
counts, after = {}, {}
before = ""
for word in text.lower().split():
    counts[word] = counts.get(word, 0) + 1
    after.setdefault(before, {}).setdefault(word, 0)
    after[before][word] += 1
    before = word
index = {}
for number, word in enumerate(sorted(counts, key=lambda word: (-counts[word], word))):
    index.setdefault(word[0], []).append(f"{number:>5} {word:<12}{counts[word]:6d}")
report = "\n".join(line for letter in sorted(index) for line in index[letter])
hidden = text.translate(str.maketrans("aeiou", "eioua")).replace("qu", "kw").swapcase()
palindromes = sum(word == word[::-1] for word in counts)
chain = max(after, key=lambda word: len(after[word]))
print(len(text), len(counts), len(report), palindromes, chain, len(after[chain]))
print(hidden[:40], sum(map(ord, hidden)), text.count("kalo"), text.find("zanzan"))
