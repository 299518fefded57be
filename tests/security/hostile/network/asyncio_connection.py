from hostile.case import ENOTSUP, Case, Twin, printed, raised

CASE = Case(
    title="a connection of an event loop",
    guest="import asyncio\nasyncio.run(asyncio.open_connection('127.0.0.1', 80))",
    expect=raised("OSError", ENOTSUP),
    twin=Twin(
        granted="an event loop that computes",
        guest="""\
import asyncio
async def f():
  await asyncio.sleep(0)
  return 42
print(asyncio.run(f()))
""",
        expect=printed("42\n"),
    ),
)
