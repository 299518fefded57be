"""Tables of small integers: how far texts are from each other, and the longest they share."""


def distance(one, other):
    before = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, against in enumerate(other, 1):
            cost = before[column - 1] + (letter != against)
            now.append(min(cost, before[column] + 1, now[column - 1] + 1))
        before = now
    return before[-1]


def common(one, other):
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for row, letter in enumerate(one):
        for column, against in enumerate(other):
            if letter == against:
                table[row + 1][column + 1] = table[row][column] + 1
            else:
                table[row + 1][column + 1] = max(table[row][column + 1], table[row + 1][column])
    found, row, column = [], len(one), len(other)
    while row and column:
        if one[row - 1] == other[column - 1]:
            found.append(one[row - 1])
            row, column = row - 1, column - 1
        elif table[row - 1][column] >= table[row][column - 1]:
            row -= 1
        else:
            column -= 1
    return "".join(reversed(found))


def knapsack(items, room):
    best = [0] * (room + 1)
    for weight, value in items:
        for left in range(room, weight - 1, -1):
            best[left] = max(best[left], best[left - weight] + value)
    return best[room]


first = "".join("acgt"[number * number % 7 % 4] for number in range(420))
second = "".join("acgt"[number * number * number % 11 % 4] for number in range(400))
items = [(number * 7 % 23 + 5, number * 13 % 41 + 3) for number in range(60)]
print(distance(first, second), len(common(first, second)), common(first, second)[:30], knapsack(items, 600))
