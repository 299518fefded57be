class Node:
    __slots__ = ("key", "value", "left", "right", "height")

    def __init__(self, key, value):
        self.key, self.value = key, value
        self.left = self.right = None
        self.height = 1


def height(node):
    return node.height if node else 0


def update(node):
    node.height = 1 + max(height(node.left), height(node.right))


def turn_right(node):
    top = node.left
    node.left, top.right = top.right, node
    update(node), update(top)
    return top


def turn_left(node):
    top = node.right
    node.right, top.left = top.left, node
    update(node), update(top)
    return top


class Tree:
    """A dictionary that is kept in order by a balanced tree."""

    def __init__(self):
        self.root, self.size = None, 0

    def __setitem__(self, key, value):
        self.root = self._insert(self.root, key, value)

    def _insert(self, node, key, value):
        if node is None:
            self.size += 1
            return Node(key, value)
        if key == node.key:
            node.value = value
            return node
        if key < node.key:
            node.left = self._insert(node.left, key, value)
        else:
            node.right = self._insert(node.right, key, value)
        update(node)
        lean = height(node.left) - height(node.right)
        if lean > 1:
            if key > node.left.key:
                node.left = turn_left(node.left)
            return turn_right(node)
        if lean < -1:
            if key < node.right.key:
                node.right = turn_right(node.right)
            return turn_left(node)
        return node

    def __getitem__(self, key):
        node = self.root
        while node is not None and node.key != key:
            node = node.left if key < node.key else node.right
        if node is None:
            raise KeyError(key)
        return node.value

    def __iter__(self):
        stack, node = [], self.root
        while stack or node:
            while node:
                stack.append(node)
                node = node.left
            node = stack.pop()
            yield node.key, node.value
            node = node.right


tree = Tree()
for number in range(400):
    tree[number * 257 % 401] = number
print(tree.size, height(tree.root), tree[7], sum(value for _, value in tree))
print([key for key, _ in tree][:8], [key for key, _ in tree] == sorted(key for key, _ in tree))
try:
    tree[1000]
except KeyError as error:
    print("missing", error)
