import string
import textwrap
from collections import Counter

TEXT = (
    "It was a bright cold day in the valley, and the clocks of the village were striking noon. The miller, who had "
    "slept badly, walked slowly along the river; he was counting his steps, as he always did when something troubled "
    "him. 'One hundred,' he said, 'and not a single duck!' Far away a dog barked. Nobody answered. "
) * 3


def sentences(text):
    found, current = [], ""
    for letter in text:
        current += letter
        if letter in ".!?":
            found.append(current.strip(" '"))
            current = ""
    return [one for one in found if one]


def syllables(word):
    count, before = 0, False
    for letter in word:
        vowel = letter in "aeiouy"
        count += vowel and not before
        before = vowel
    if word.endswith("e") and count > 1 and not word.endswith("le"):
        count -= 1
    return max(count, 1)


words = [word.strip(string.punctuation).lower() for word in TEXT.split()]
words = [word for word in words if word]
counted = Counter(words)
number = len(sentences(TEXT))
per_sentence = len(words) / number
per_word = sum(map(syllables, words)) / len(words)
ease = 206.835 - 1.015 * per_sentence - 84.6 * per_word
print(f"{len(words)} words, {len(counted)} different, {number} sentences")
print(f"{per_sentence:.2f} words a sentence, {per_word:.3f} syllables a word, reading ease {ease:.1f}")
print(counted.most_common(4))
print("longest:", max(counted, key=lambda word: (len(word), word)))
letters = Counter(letter for letter in TEXT.lower() if letter.isalpha())
print(
    " ".join(f"{letter}{count}" for letter, count in sorted(letters.items(), key=lambda pair: (-pair[1], pair[0]))[:8])
)
print(textwrap.fill(TEXT[:280], width=60, initial_indent="  ", subsequent_indent="> "))
print(textwrap.shorten(TEXT, 70, placeholder=" ..."))
