from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Twin, printed, stopped

from wasihost import Limits

CASE = Case(
    title="a dict whose keys collide, so that each lookup walks all of them",
    guest="""\
class K:
    def __hash__(self): return 1
    def __eq__(self, other): return False
d = {}
while True: d[K()] = 1
""",
    options={"limits": Limits(deadline_seconds=0.3)},
    expect=stopped(),
    twin=Twin(
        options={},
        granted="a hundred of them",
        guest="""\
class K:
    def __hash__(self): return 1
    def __eq__(self, other): return False
print(len({K(): 1 for _ in range(100)}))
""",
        expect=printed("100\n"),
    ),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the clock is the host's",
)
