"""Small objects with operators: light on spheres."""

from math import sqrt


class Vector:
    __slots__ = ("x", "y", "z")

    def __init__(self, x, y, z):
        self.x, self.y, self.z = x, y, z

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other):
        return Vector(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor, self.z * factor)

    def dot(self, other):
        return self.x * other.x + self.y * other.y + self.z * other.z

    def unit(self):
        return self * (1.0 / sqrt(self.dot(self)))


class Sphere:
    def __init__(self, centre, radius, colour, shine):
        self.centre, self.radius, self.colour, self.shine = centre, radius, colour, shine

    def meets(self, origin, direction):
        offset = origin - self.centre
        half = offset.dot(direction)
        rest = half * half - offset.dot(offset) + self.radius * self.radius
        if rest < 0.0:
            return None
        distance = -half - sqrt(rest)
        return distance if distance > 1e-4 else None

    def normal(self, point):
        return (point - self.centre).unit()


LIGHT = Vector(-3.0, 5.0, -4.0)
SCENE = [
    Sphere(Vector(0.0, 0.0, 3.0), 1.0, 0.9, 0.3),
    Sphere(Vector(1.6, 0.4, 4.0), 0.8, 0.6, 0.5),
    Sphere(Vector(-1.5, -0.3, 2.5), 0.6, 0.8, 0.2),
    Sphere(Vector(0.0, -101.0, 3.0), 100.0, 0.5, 0.1),
]


def nearest(origin, direction):
    best, found = 1e9, None
    for sphere in SCENE:
        distance = sphere.meets(origin, direction)
        if distance is not None and distance < best:
            best, found = distance, sphere
    return best, found


def trace(origin, direction, depth):
    distance, sphere = nearest(origin, direction)
    if sphere is None:
        return 0.2 + 0.1 * direction.y
    point = origin + direction * distance
    normal = sphere.normal(point)
    to_light = (LIGHT - point).unit()
    bright = 0.1
    if nearest(point, to_light)[1] is None:
        bright += max(0.0, normal.dot(to_light)) * sphere.colour
    if depth:
        mirrored = direction - normal * (2.0 * direction.dot(normal))
        bright = bright * (1.0 - sphere.shine) + sphere.shine * trace(point, mirrored, depth - 1)
    return bright


eye, shades = Vector(0.0, 0.0, -2.0), " .:-=+*#%@"
picture = []
for row in range(40):
    line = [trace(eye, Vector((column - 39) / 30.0, (20 - row) / 15.0, 1.8).unit(), 2) for column in range(78)]
    picture.append("".join(shades[min(9, int(value * 10))] for value in line))
print(picture[12].strip(), picture[20], sum(map(ord, "".join(picture))))
