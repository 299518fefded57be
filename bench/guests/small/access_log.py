import re
from collections import Counter, defaultdict
from datetime import datetime

PATTERN = re.compile(
    r'(?P<host>\S+) - (?P<user>\S+) \[(?P<when>[^]]+)\] "(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[\d.]+" '
    r"(?P<status>\d{3}) (?P<size>\d+|-)"
)


def make_lines():
    paths = ["/", "/login", "/api/items/7", "/static/app.js", "/admin"]
    for number in range(120):
        status = 500 if number % 37 == 36 else 404 if number % 11 == 10 else 200
        size = "-" if status == 500 else number * 53 % 4000
        yield (
            f"10.0.0.{number % 7} - {'ada' if number % 5 == 0 else '-'} "
            f"[02/Jan/2026:10:{number // 60:02}:{number % 60:02} +0000] "
            f'"{"POST" if number % 4 == 3 else "GET"} {paths[number % len(paths)]} HTTP/1.1" {status} {size}'
        )


hits, errors, volume, users = Counter(), defaultdict(list), Counter(), set()
first = last = None
for line in make_lines():
    match = PATTERN.fullmatch(line)
    if match is None:
        print("cannot read", line)
        continue
    when = datetime.strptime(match["when"], "%d/%b/%Y:%H:%M:%S %z")
    first, last = first or when, when
    hits[match["path"]] += 1
    volume[match["host"]] += 0 if match["size"] == "-" else int(match["size"])
    if match["status"] >= "400":
        errors[match["status"]].append((match["path"], when.strftime("%H:%M:%S")))
    if match["user"] != "-":
        users.add(match["user"])
print(f"{sum(hits.values())} requests in {(last - first).total_seconds():.0f} s by {sorted(users)}")
for path, count in hits.most_common(3):
    print(f"{count:5} {path}")
for status in sorted(errors):
    print(status, len(errors[status]), errors[status][0])
print(volume.most_common(2))
