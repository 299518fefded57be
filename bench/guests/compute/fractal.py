"""Complex numbers: how soon points of the plane escape."""


def escape(point, most):
    value = 0j
    for count in range(most):
        value = value * value + point
        if abs(value) > 2.0:
            return count
    return most


WIDTH, HEIGHT, MOST = 168, 84, 90
rows = []
for line in range(HEIGHT):
    imaginary = 2.4 * line / HEIGHT - 1.2
    rows.append([escape(complex(3.0 * column / WIDTH - 2.1, imaginary), MOST) for column in range(WIDTH)])
print(sum(map(sum, rows)), sum(row.count(MOST) for row in rows), rows[20][30:40])
