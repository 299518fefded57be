from collections import Counter

GLIDER = {(0, 1), (1, 2), (2, 0), (2, 1), (2, 2)}
ACORN = {(0, 1), (1, 3), (2, 0), (2, 1), (2, 4), (2, 5), (2, 6)}
BLINKER = {(0, 0), (0, 1), (0, 2)}
AROUND = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column]


def step(alive):
    near = Counter((row + down, column + right) for row, column in alive for down, right in AROUND)
    return {cell for cell, count in near.items() if count == 3 or (count == 2 and cell in alive)}


def draw(alive, height, width):
    lines = []
    for row in range(height):
        lines.append("".join("#" if (row, column) in alive else "." for column in range(width)))
    return "\n".join(lines)


def moved(alive):
    top, left = min(row for row, _ in alive), min(column for _, column in alive)
    return frozenset((row - top, column - left) for row, column in alive), (top, left)


def period(alive, most):
    """Return after how many steps the same shape comes back, and how far it has moved by then."""
    shape, start = moved(alive)
    for number in range(1, most + 1):
        alive = step(alive)
        again, now = moved(alive)
        if again == shape:
            return number, (now[0] - start[0], now[1] - start[1])
    return None


world = GLIDER
for _ in range(4):
    world = step(world)
print(draw(world, 5, 6))
print("glider", period(GLIDER, 20), "blinker", period(BLINKER, 20), "acorn", period(ACORN, 20))
world, sizes = ACORN, []
for generation in range(60):
    world = step(world)
    sizes.append(len(world))
print("acorn grows to", max(sizes), "in generation", sizes.index(max(sizes)) + 1, "and has", sizes[-1], "in the end")
rows = [row for row, _ in world]
columns = [column for _, column in world]
print("it covers", max(rows) - min(rows) + 1, "by", max(columns) - min(columns) + 1)
