"""Recursion and generators: all ways to put queens on a board so that none sees another."""


def place(size, row=0, columns=(), rising=frozenset(), falling=frozenset()):
    if row == size:
        yield columns
        return
    for column in range(size):
        if column not in columns and row + column not in rising and row - column not in falling:
            yield from place(size, row + 1, (*columns, column), rising | {row + column}, falling | {row - column})


solutions = list(place(10))
print(len(solutions), solutions[0], solutions[-1], sum(board[3] for board in solutions))
