import math
import statistics

STUDENTS = {
    "Ada": [92, 88, 95, 100, 79],
    "Blaise": [71, 64, 80, 77, 69],
    "Carl": [99, 97, 100, 98, 100],
    "Dorothy": [55, 61, None, 70, 58],
    "Emmy": [85, 91, 89, None, 94],
    "Felix": [45, 50, 38, 62, 41],
    "Grace": [78, 82, 80, 85, 79],
}
WEIGHTS = [1, 1, 1, 2, 3]


def weighted(marks):
    pairs = [(mark, weight) for mark, weight in zip(marks, WEIGHTS) if mark is not None]
    return sum(mark * weight for mark, weight in pairs) / sum(weight for _, weight in pairs)


def letter(mark):
    for least, name in ((90, "A"), (80, "B"), (70, "C"), (60, "D")):
        if mark >= least:
            return name
    return "F"


def histogram(values, width):
    lowest = min(values) // width * width
    counts = {}
    for value in values:
        counts[value // width * width] = counts.get(value // width * width, 0) + 1
    for start in range(lowest, max(values) + 1, width):
        print(f"{start:>4}-{start + width - 1:<4}{'*' * counts.get(start, 0)}")


results = {name: weighted(marks) for name, marks in STUDENTS.items()}
ranking = sorted(results, key=results.get, reverse=True)
for place, name in enumerate(ranking, 1):
    marks = [mark for mark in STUDENTS[name] if mark is not None]
    print(f"{place}. {name:<8}{results[name]:7.2f} {letter(results[name])}  spread {statistics.pstdev(marks):5.2f}")
every = [mark for marks in STUDENTS.values() for mark in marks if mark is not None]
print(f"mean {statistics.mean(every):.3f}, median {statistics.median(every)}, mode {statistics.multimode(every)}")
print("quartiles", [round(value, 2) for value in statistics.quantiles(every, n=4)])
histogram(every, 10)
early = [marks[0] for marks in STUDENTS.values()]
late = [marks[4] for marks in STUDENTS.values()]
print(f"correlation {statistics.correlation(early, late):.4f}, geometric mean {statistics.geometric_mean(every):.3f}")
slope, start = statistics.linear_regression(early, late)
print(
    f"last = {slope:.3f} * first + {start:.2f}; error {math.sqrt(statistics.mean((slope * a + start - b) ** 2 for a, b in zip(early, late))):.3f}"
)
