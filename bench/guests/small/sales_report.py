import csv
import io
from itertools import groupby
from operator import itemgetter

DATA = """\
region,month,product,units,price
north,2026-01,lamp,12,19.90
north,2026-01,desk,3,249.00
south,2026-01,lamp,30,18.50
south,2026-02,chair,14,89.00
north,2026-02,chair,6,95.50
west,2026-02,desk,1,239.00
west,2026-01,lamp,9,21.00
south,2026-03,desk,2,244.00
north,2026-03,lamp,25,19.50
west,2026-03,chair,7,92.25
"""


def read(text):
    for row in csv.DictReader(io.StringIO(text)):
        yield {**row, "units": int(row["units"]), "revenue": int(row["units"]) * float(row["price"])}


def totals(rows, key):
    rows = sorted(rows, key=itemgetter(key))
    return {name: round(sum(row["revenue"] for row in group), 2) for name, group in groupby(rows, itemgetter(key))}


rows = list(read(DATA))
width = max(len(row["product"]) for row in rows) + 2
for key in ("region", "month", "product"):
    print(key.upper())
    found = totals(rows, key)
    top = max(found.values())
    for name, revenue in sorted(found.items(), key=itemgetter(1), reverse=True):
        print(f"  {name:<{width + 3}}{revenue:>10,.2f} {'#' * round(20 * revenue / top)}")
best = max(rows, key=itemgetter("revenue"))
out = io.StringIO()
writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL)
writer.writerow(["best", best["region"], best["product"], f"{best['revenue']:.1f}", 'a "quoted", cell'])
print(out.getvalue().strip())
