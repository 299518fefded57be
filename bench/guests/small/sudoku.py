PUZZLE = """
53..7.... 6..195... .98....6.
8...6...3 4..8.3..1 7...2...6
.6....28. ...419..5 ....8..79
"""


def read(text):
    return [0 if letter == "." else int(letter) for letter in text if letter in ".123456789"]


def peers_of(at):
    row, column = divmod(at, 9)
    top, left = row // 3 * 3, column // 3 * 3
    same = {row * 9 + other for other in range(9)} | {other * 9 + column for other in range(9)}
    same |= {(top + a) * 9 + left + b for a in range(3) for b in range(3)}
    return sorted(same - {at})


PEERS = [peers_of(at) for at in range(81)]


def candidates(board, at):
    return set(range(1, 10)) - {board[peer] for peer in PEERS[at]}


def solve(board, depth=0):
    """Fill the field with the fewest candidates first; return how deep it went, or None."""
    best, choices = None, None
    for at in range(81):
        if board[at] == 0:
            found = candidates(board, at)
            if choices is None or len(found) < len(choices):
                best, choices = at, found
                if len(found) < 2:
                    break
    if best is None:
        return depth
    for value in sorted(choices):
        board[best] = value
        done = solve(board, depth + 1)
        if done is not None:
            return done
    board[best] = 0
    return None


def is_valid(board):
    return all(board[at] and board[at] not in {board[peer] for peer in PEERS[at]} for at in range(81))


board = read(PUZZLE)
given = sum(map(bool, board))
depth = solve(board)
for row in range(9):
    line = "".join(map(str, board[row * 9 : row * 9 + 9]))
    print(line[:3], line[3:6], line[6:], sep="|")
print(given, "given,", depth, "filled,", "valid" if is_valid(board) else "wrong")
