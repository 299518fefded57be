"""Small integers in lists: the most flips that bring a permutation's first element back to 1."""


def flips(permutation):
    count, cards = 0, permutation[:]
    first = cards[0]
    while first:
        cards[: first + 1] = cards[first::-1]
        count += 1
        first = cards[0]
    return count


def search(size):
    permutation, counts = list(range(size)), [0] * size
    most, checksum, sign = 0, 0, 1
    while True:
        if permutation[0]:
            count = flips(permutation)
            most = max(most, count)
            checksum += sign * count
        sign = -sign
        # The next permutation: rotate ever longer heads, each as often as it is long.
        place = 1
        while place < size:
            permutation.insert(place, permutation.pop(0))
            counts[place] += 1
            if counts[place] <= place:
                break
            counts[place] = 0
            place += 1
        else:
            return checksum, most


print(*search(8))
