import re
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import total_ordering


class Dimension(Enum):
    LENGTH = "length"
    MASS = "mass"
    TIME = "time"


@dataclass(frozen=True)
class Unit:
    symbol: str
    dimension: Dimension
    factor: float = 1.0
    names: tuple[str, ...] = field(default=(), compare=False)


UNITS = [
    Unit("m", Dimension.LENGTH, 1.0, ("metre", "metres")),
    Unit("km", Dimension.LENGTH, 1000.0),
    Unit("cm", Dimension.LENGTH, 0.01),
    Unit("mi", Dimension.LENGTH, 1609.344, ("mile", "miles")),
    Unit("ft", Dimension.LENGTH, 0.3048, ("foot", "feet")),
    Unit("kg", Dimension.MASS, 1.0, ("kilo", "kilos")),
    Unit("lb", Dimension.MASS, 0.45359237, ("pound", "pounds")),
    Unit("s", Dimension.TIME, 1.0, ("second", "seconds")),
    Unit("h", Dimension.TIME, 3600.0, ("hour", "hours")),
]
BY_NAME = {name: unit for unit in UNITS for name in (unit.symbol, *unit.names)}


@total_ordering
@dataclass(frozen=True, eq=False)
class Quantity:
    value: float
    unit: Unit

    @classmethod
    def parse(cls, text):
        match = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*([a-z]+)\s*", text)
        if match is None or match[2] not in BY_NAME:
            raise ValueError(f"no quantity: {text!r}")
        return cls(float(match[1]), BY_NAME[match[2]])

    def to(self, symbol):
        unit = BY_NAME[symbol]
        self._check(unit)
        return replace(self, value=self.value * self.unit.factor / unit.factor, unit=unit)

    def _check(self, unit):
        if unit.dimension is not self.unit.dimension:
            raise TypeError(f"{self.unit.dimension.value} is not {unit.dimension.value}")

    def __add__(self, other):
        return replace(self, value=self.value + other.to(self.unit.symbol).value)

    def __eq__(self, other):
        return abs(self.value - other.to(self.unit.symbol).value) < 1e-9

    def __lt__(self, other):
        return self.value < other.to(self.unit.symbol).value

    def __str__(self):
        return f"{self.value:.4g} {self.unit.symbol}"


for text, target in [("26.2 miles", "km"), ("6 feet", "cm"), ("180 pounds", "kg"), ("5400 seconds", "h")]:
    print(text, "=", Quantity.parse(text).to(target))
walk = [Quantity.parse(text) for text in ("3 km", "1 mile", "500 m", "9000 feet")]
print("sorted:", *(str(one) for one in sorted(walk)), sep="  ")
print("total:", sum(walk[1:], walk[0]), "; equal:", Quantity.parse("1 km") == Quantity.parse("1000 m"))
for wrong in ("3 parsecs", "ten km"):
    try:
        Quantity.parse(wrong)
    except ValueError as error:
        print("refused:", error)
try:
    Quantity.parse("1 km") < Quantity.parse("1 kg")
except TypeError as error:
    print("refused:", error)
