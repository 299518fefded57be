"""Sorting, in C and in Python, with keys and without."""

from functools import cmp_to_key
from operator import attrgetter


class Record:
    def __init__(self, number):
        self.number, self.group, self.name = number, number % 13, f"record {number * 31 % 997:03}"

    def __lt__(self, other):
        return (self.group, self.number) < (other.group, other.number)


def merge_sort(values):
    if len(values) < 2:
        return values
    middle = len(values) // 2
    left, right, out, at, to = merge_sort(values[:middle]), merge_sort(values[middle:]), [], 0, 0
    while at < len(left) and to < len(right):
        if right[to] < left[at]:
            out.append(right[to])
            to += 1
        else:
            out.append(left[at])
            at += 1
    return out + left[at:] + right[to:]


def quick_sort(values, first, last):
    while first < last:
        pivot, low, high = values[(first + last) // 2], first, last
        while low <= high:
            while values[low] < pivot:
                low += 1
            while pivot < values[high]:
                high -= 1
            if low <= high:
                values[low], values[high] = values[high], values[low]
                low += 1
                high -= 1
        quick_sort(values, first, high)
        first = low


numbers, seed = [], 12345
for _ in range(9000):
    seed = (seed * 1103515245 + 12345) % 2**31
    numbers.append(seed)
records = [Record(number % 5000) for number in numbers]
plain = sorted(numbers)
quick = numbers[:]
quick_sort(quick, 0, len(quick) - 1)
assert merge_sort(numbers) == quick == plain
by_name = sorted(records, key=attrgetter("name", "number"))
compared = sorted(numbers[:2500], key=cmp_to_key(lambda a, b: (a % 1000 > b % 1000) - (a % 1000 < b % 1000)))
print(plain[0], plain[4500], by_name[0].name, sorted(records)[-1].number, compared[100] % 1000)
