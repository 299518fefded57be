"""From a program's text to code, and to the value of its last expression."""

# Runs inside the guest, in the namespace of harness.py and after it.
#
# To take the last expression off, a program would have to become a syntax tree of Python objects and be compiled from
# that, which takes twice as long as compiling its text. So the text is cut where its last statement begins, and both
# parts are compiled as they are. Where that is not sure to mean the same, the tree is made.
# ruff: noqa: F821 - names of harness.py
import keyword
import re
from ast import Expr, Expression, PyCF_ONLY_AST

# What a line cannot begin with that begins a statement.
goes_on = re.compile(rb"[\s#)\]}]|(?:elif|else|except|finally)\b").match
# What no expression begins with, or what looks like an assignment. It decides about the way only.
is_statement = re.compile(
    rb"(?:@|(?:%s)\b|[\w.\[\]'\", ]+(?:[-+*/%%&|^@]|//|\*\*|<<|>>|: ?[\w.]+ ?)?=(?!=))"
    % "|".join(sorted({*keyword.kwlist} - {"None", "True", "False", "await", "lambda", "not"})).encode()
).match
can_be_decorated = re.compile(rb"(?:def|class|async)\b").match
# Other ends of lines, other encodings, and statements that say something of the whole.
needs_tree = re.compile(rb"\r|\A(?:[^\n]*\n)?[^\n]*coding[:=]|\b(?:global|__future__)\b").search
ANNOTATES = {"__annotations__", "__annotate__", "__conditional_annotations__"}


def compile_program(source, name, flags=0):
    """Return code objects to be executed one after the other; the value of the last is that of the program."""
    try:
        found = compile_text(source, name, flags)
    except (SyntaxError, ValueError):  # of a part: is it one of the whole? What is not UTF-8 is the latter
        found = None
    return found or compile_tree(source, name, flags)


def compile_text(source, name, flags):
    """As `compile_program`, without a tree of the whole; None or a SyntaxError where it needs one."""
    if needs_tree(source):
        return None
    at = last_statement(source)
    codes = ()
    if at:
        # If this is whole by itself, a statement begins where it ends.
        codes = (compile(source[:at], name, "exec", flags, dont_inherit=True),)
    if not is_statement(source, at) and b"\\" not in source[at:]:  # it may be warned of, and would be twice
        try:
            return (*codes, compile(shifted(source, at), name, "eval", flags, dont_inherit=True))
        except SyntaxError:
            pass
    if not at:
        return None
    rest = compile_tree(shifted(source, at), name, flags)
    if any(ANNOTATES.intersection(code.co_names) for code in rest):
        return None  # a module is made ready for annotations before its first statement
    return codes + rest


def last_statement(source):
    """Return where the last line begins that may begin a statement: mostly one that is not indented."""
    at = len(source)
    while at > 0:
        at = source.rfind(b"\n", 0, at - 1) + 1
        if not goes_on(source, at) and not (can_be_decorated(source, at) and is_decorated(source, at)):
            return at
    return 0


def is_decorated(source, at):
    before = source.rfind(b"\n", 0, max(0, at - 1)) + 1
    return before < at and source[before : before + 1] == b"@"


def shifted(source, at):
    """Return the end of a text with empty lines before it, as many as it had."""
    return b"\n" * source.count(b"\n", 0, at) + source[at:] if at else source


def compile_tree(source, name, flags):
    tree = compile(source, name, "exec", flags | PyCF_ONLY_AST, dont_inherit=True)
    codes = ()
    last = None
    if tree.body and type(tree.body[-1]) is Expr:
        last = Expression(tree.body.pop().value)
    if tree.body or last is None:
        codes = (compile(tree, name, "exec", flags, dont_inherit=True),)
        flags |= codes[0].co_flags & future_flags
    if last is not None:
        codes += (compile(last, name, "eval", flags, dont_inherit=True),)
    return codes
