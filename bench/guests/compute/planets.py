"""Floating point on attributes: bodies that attract each other."""


class Body:
    __slots__ = ("x", "y", "z", "u", "v", "w", "mass")

    def __init__(self, x, y, z, u, v, w, mass):
        self.x, self.y, self.z, self.u, self.v, self.w, self.mass = x, y, z, u, v, w, mass


def make():
    bodies = [Body(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 40.0)]
    for number in range(1, 5):
        radius = 2.0 * number
        speed = (40.0 / radius) ** 0.5
        bodies.append(Body(radius, 0.1 * number, -0.2, 0.01, speed, 0.05 * number, 0.01 / number))
    return bodies


def move(bodies, step):
    for index, one in enumerate(bodies):
        for other in bodies[index + 1 :]:
            dx, dy, dz = one.x - other.x, one.y - other.y, one.z - other.z
            square = dx * dx + dy * dy + dz * dz
            pull = step / (square * square**0.5)
            near, far = other.mass * pull, one.mass * pull
            one.u -= dx * near
            one.v -= dy * near
            one.w -= dz * near
            other.u += dx * far
            other.v += dy * far
            other.w += dz * far
    for body in bodies:
        body.x += step * body.u
        body.y += step * body.v
        body.z += step * body.w


def energy(bodies):
    total = 0.0
    for index, one in enumerate(bodies):
        total += 0.5 * one.mass * (one.u**2 + one.v**2 + one.w**2)
        for other in bodies[index + 1 :]:
            distance = ((one.x - other.x) ** 2 + (one.y - other.y) ** 2 + (one.z - other.z) ** 2) ** 0.5
            total -= one.mass * other.mass / distance
    return total


bodies = make()
before = energy(bodies)
for _ in range(16000):
    move(bodies, 0.001)
print(f"{before:.6f} {energy(bodies):.6f} {bodies[2].x:.5f}")
