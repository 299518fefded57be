from bisect import insort
from collections import ChainMap, OrderedDict, deque, namedtuple
from functools import lru_cache, partial, reduce
from itertools import accumulate, chain, combinations, islice, product, zip_longest

Item = namedtuple("Item", "name kind stock price")
ITEMS = [
    Item("hammer", "tool", 14, 1250),
    Item("saw", "tool", 3, 1890),
    Item("nails", "supply", 5000, 2),
    Item("glue", "supply", 41, 399),
    Item("ladder", "tool", 2, 7900),
    Item("paint", "supply", 17, 2450),
]


def low(items, least):
    return [item._replace(stock=least - item.stock) for item in items if item.stock < least]


def packages(amount, sizes):
    """Count the ways to fill an amount with packages."""

    @lru_cache(maxsize=None)
    def ways(left, first):
        if left == 0:
            return 1
        return sum(ways(left - size, at) for at, size in enumerate(sizes) if at >= first and size <= left)

    return ways(amount, 0), ways.cache_info().misses


class Recent:
    """Remembers what was asked for last."""

    def __init__(self, size):
        self.size, self.kept = size, OrderedDict()

    def get(self, key, make):
        if key in self.kept:
            self.kept.move_to_end(key)
            return "kept", self.kept[key]
        if len(self.kept) == self.size:
            self.kept.popitem(last=False)
        self.kept[key] = make(key)
        return "made", self.kept[key]


value = sum(item.stock * item.price for item in ITEMS)
print(f"{value / 100:,.2f}", reduce(lambda best, item: max(best, item, key=lambda one: one.price), ITEMS).name)
print([item.name for item in low(ITEMS, 10)], list(accumulate(item.stock for item in ITEMS)))
print(packages(60, (1, 5, 12, 25)))
pairs = [(a.name, b.name) for a, b in combinations(ITEMS, 2) if 4000 < a.price + b.price < 10000]
print(len(pairs), pairs[:3])
recent = Recent(2)
print([recent.get(key, str.upper)[0] for key in "abacbab"])
settings = ChainMap({"currency": "EUR"}, {"currency": "USD", "tax": 19, "theme": "dark"})
print(dict(sorted(settings.items())), settings.maps[1]["currency"])
ranks = []
for item in ITEMS:
    insort(ranks, (item.kind, -item.stock, item.name))
print([name for _, _, name in ranks])
window, means = deque(maxlen=3), []
for number in islice(product(range(4), range(5)), 2, 18, 3):
    window.append(sum(number))
    means.append(round(sum(window) / len(window), 2))
print(means, list(zip_longest("abc", range(2), fillvalue="-")), list(map(partial(pow, 2), range(6))))
print("".join(chain.from_iterable(zip("wsh", "ait"))))
