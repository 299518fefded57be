ROMAN = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
         (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]  # fmt: skip
SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "? ? twenty thirty forty fifty sixty seventy eighty ninety".split()
GROUPS = ["", "thousand", "million", "billion"]


def to_roman(number):
    out = ""
    for value, letters in ROMAN:
        count, number = divmod(number, value)
        out += letters * count
    return out


def from_roman(text):
    total, at = 0, 0
    for value, letters in ROMAN:
        while text.startswith(letters, at):
            total += value
            at += len(letters)
    if at != len(text):
        raise ValueError(f"{text!r} is no number")
    return total


def below_thousand(number):
    words = []
    if number >= 100:
        words += [SMALL[number // 100], "hundred"]
        number %= 100
        if number:
            words.append("and")
    if number >= 20:
        words.append(TENS[number // 10] + ("-" + SMALL[number % 10] if number % 10 else ""))
    elif number:
        words.append(SMALL[number])
    return words


def in_words(number):
    if number == 0:
        return "zero"
    parts, group = [], 0
    while number:
        number, rest = divmod(number, 1000)
        if rest:
            parts.insert(0, " ".join([*below_thousand(rest), *([GROUPS[group]] if group else [])]))
        group += 1
    return ", ".join(parts)


assert all(from_roman(to_roman(number)) == number for number in range(1, 1000))
for year in (44, 1453, 1999, 2026, 3888):
    print(year, to_roman(year), in_words(year))
print(in_words(1_000_000_007))
print(max((to_roman(number) for number in range(1, 500)), key=len))
print(sum(len(in_words(number).replace(" ", "").replace("-", "")) for number in range(1, 301)))
try:
    from_roman("MXZ")
except ValueError as error:
    print("refused:", error)
