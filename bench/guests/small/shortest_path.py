import heapq
from collections import defaultdict, deque

ROADS = """
Aachen-Bonn 92; Aachen-Cologne 70; Bonn-Cologne 30; Bonn-Koblenz 61; Koblenz-Mainz 93; Koblenz-Trier 124
Cologne-Dortmund 94; Dortmund-Kassel 162; Kassel-Frankfurt 190; Mainz-Frankfurt 43; Frankfurt-Mannheim 86
Mainz-Mannheim 82; Mannheim-Karlsruhe 66; Trier-Mannheim 190; Karlsruhe-Stuttgart 80; Mannheim-Stuttgart 133
"""


def read(text):
    graph = defaultdict(dict)
    for road in text.replace("\n", ";").split(";"):
        if road.strip():
            names, distance = road.rsplit(maxsplit=1)
            one, other = names.strip().split("-")
            graph[one][other] = graph[other][one] = int(distance)
    return graph


def shortest(graph, start):
    distances, before, queue = {start: 0}, {}, [(0, start)]
    while queue:
        distance, here = heapq.heappop(queue)
        if distance > distances[here]:
            continue
        for there, length in graph[here].items():
            if distance + length < distances.get(there, 10**9):
                distances[there], before[there] = distance + length, here
                heapq.heappush(queue, (distance + length, there))
    return distances, before


def route(before, goal):
    found = deque([goal])
    while found[0] in before:
        found.appendleft(before[found[0]])
    return " > ".join(found)


def fewest_stops(graph, start):
    seen, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for there in sorted(graph[here]):
            if there not in seen:
                seen[there] = seen[here] + 1
                queue.append(there)
    return seen


graph = read(ROADS)
distances, before = shortest(graph, "Aachen")
for town in ("Stuttgart", "Frankfurt", "Trier"):
    print(f"{town:<10} {distances[town]:>4} km  {route(before, town)}")
stops = fewest_stops(graph, "Aachen")
print(sorted(stops.items(), key=lambda pair: (pair[1], pair[0]))[-3:])
pairs = {frozenset((a, b)): shortest(graph, a)[0][b] for a in graph for b in graph if a < b}
far = max(pairs, key=pairs.get)
print("farthest apart:", *sorted(far), pairs[far], "km; mean", round(sum(pairs.values()) / len(pairs), 1))
