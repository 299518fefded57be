from fractions import Fraction


class Matrix:
    def __init__(self, rows):
        self.rows = [[Fraction(value) for value in row] for row in rows]
        if len({len(row) for row in self.rows}) != 1:
            raise ValueError("rows of different lengths")

    def __matmul__(self, other):
        columns = list(zip(*other.rows))
        return Matrix([[sum(a * b for a, b in zip(row, column)) for column in columns] for row in self.rows])

    def __eq__(self, other):
        return self.rows == other.rows

    def __repr__(self):
        return "[" + "; ".join(" ".join(str(value) for value in row) for row in self.rows) + "]"

    @classmethod
    def identity(cls, size):
        return cls([[int(row == column) for column in range(size)] for row in range(size)])

    def solve(self, right):
        size = len(self.rows)
        work = [row[:] + extra[:] for row, extra in zip(self.rows, right.rows)]
        determinant = Fraction(1)
        for column in range(size):
            pivot = next((row for row in range(column, size) if work[row][column]), None)
            if pivot is None:
                raise ZeroDivisionError("the matrix is singular")
            if pivot != column:
                work[column], work[pivot] = work[pivot], work[column]
                determinant = -determinant
            scale = work[column][column]
            determinant *= scale
            work[column] = [value / scale for value in work[column]]
            for row in range(size):
                if row != column and work[row][column]:
                    factor = work[row][column]
                    work[row] = [a - factor * b for a, b in zip(work[row], work[column])]
        return Matrix([row[size:] for row in work]), determinant


a = Matrix([[2, 1, -1, 3], [-3, -1, 2, 0], [-2, 1, 2, 1], [1, 4, 0, 5]])
x, determinant = a.solve(Matrix([[8], [-11], [-3], [7]]))
inverse, _ = a.solve(Matrix.identity(4))
print("x =", x)
print("determinant", determinant)
print("inverse", inverse)
print("check", a @ inverse == Matrix.identity(4), a @ x)
try:
    Matrix([[1, 2], [2, 4]]).solve(Matrix([[1], [1]]))
except ZeroDivisionError as error:
    print("refused:", error)
hilbert = Matrix([[Fraction(1, row + column + 1) for column in range(5)] for row in range(5)])
print("hilbert", hilbert.solve(Matrix([[1]] * 5)))
