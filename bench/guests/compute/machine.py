"""Dispatch: a small stack machine, interpreted by Python, that finds primes and sorts."""

PRIMES = """
    push 2; store n; push 0; store found
next: load n; push 3000; less; jumpf end
    push 2; store d
test: load d; load d; mul; load n; greater; jumpt prime
    load n; load d; mod; jumpf composite
    load d; push 1; add; store d; jump test
prime: load found; push 1; add; store found; load n; store last
composite: load n; push 1; add; store n; jump next
end: load found; print; load last; print; halt
"""


def assemble(text):
    code, labels = [], {}
    for line in text.replace("\n", ";").split(";"):
        line = line.strip()
        if ":" in line:
            label, line = line.split(":")
            labels[label.strip()] = len(code)
        if line.strip():
            code.append(line.split())
    jumps = {"jump", "jumpt", "jumpf"}
    return [
        (words[0], labels[words[1]] if words[0] in jumps else int(words[1]) if words[0] == "push" else words[-1])
        for words in code
    ]


def run(code):
    stack, names, out, at, steps = [], {}, [], 0, 0
    while True:
        operation, operand = code[at]
        at += 1
        steps += 1
        match operation:
            case "load":
                stack.append(names[operand])
            case "push":
                stack.append(operand)
            case "store":
                names[operand] = stack.pop()
            case "add":
                stack.append(stack.pop() + stack.pop())
            case "mul":
                stack.append(stack.pop() * stack.pop())
            case "mod":
                right = stack.pop()
                stack.append(stack.pop() % right)
            case "less":
                right = stack.pop()
                stack.append(stack.pop() < right)
            case "greater":
                right = stack.pop()
                stack.append(stack.pop() > right)
            case "jump":
                at = operand
            case "jumpt":
                if stack.pop():
                    at = operand
            case "jumpf":
                if not stack.pop():
                    at = operand
            case "print":
                out.append(stack.pop())
            case "halt":
                return out, steps


print(*run(assemble(PRIMES)))
