"""Floating point in comprehensions: the largest eigenvalue of an endless matrix, by its power."""

from math import sqrt


def entry(row, column):
    return 1.0 / ((row + column) * (row + column + 1) // 2 + row + 1)


def times(vector):
    return [sum(entry(row, column) * value for column, value in enumerate(vector)) for row in range(len(vector))]


def transposed_times(vector):
    return [sum(entry(column, row) * value for column, value in enumerate(vector)) for row in range(len(vector))]


def norm(size, rounds):
    left = [1.0] * size
    for _ in range(rounds):
        right = transposed_times(times(left))
        left = transposed_times(times(right))
    return sqrt(sum(a * b for a, b in zip(left, right)) / sum(b * b for b in right))


print(f"{norm(110, 6):.9f}")
