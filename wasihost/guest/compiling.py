"""From a program's text to code, and to the value of its last expression."""

# Runs inside the guest, in the namespace of harness.py and after it.
#
# To take the last expression off, a program would have to become a syntax tree of Python objects and be compiled from
# that, which takes twice as long as compiling its text. So the text is cut where its last statement begins, and both
# parts are compiled as they are. Where that is not sure to mean the same, the tree is made.
# ruff: noqa: F821 - names of harness.py
import keyword
import re
import warnings
from ast import Constant, Expr, Expression, PyCF_ONLY_AST

# What a line cannot begin with that begins a statement.
goes_on = re.compile(rb"[\s#)\]}]|(?:elif|else|except|finally)\b").match
# What no expression begins with, or what looks like an assignment. It decides about the way only.
is_statement = re.compile(
    rb"(?:@|(?:%s)\b|[\w.\[\]'\", ]+(?:[-+*/%%&|^@]|//|\*\*|<<|>>|: ?[\w.]+ ?)?=(?!=))"
    % "|".join(sorted({*keyword.kwlist} - {"None", "True", "False", "await", "lambda", "not"})).encode()
).match
can_be_decorated = re.compile(rb"(?:def|class|async)\b").match
# Other ends of lines, other encodings, and statements that say something of the whole.
says_coding = re.compile(rb"(?:[^\n]*\n)?[^\n]*coding[:=]").match
speaks_of_all = re.compile(rb"\b(?:global|__future__)\b").search
compares_identity = re.compile(rb"\bis\b").search
COROUTINE = 0x80
ANNOTATES = {"__annotations__", "__annotate__", "__conditional_annotations__"}


def compile_program(source, name, flags=0):
    """Return code objects to be executed one after the other; the value of the last is that of the program."""
    show = warnings._showwarnmsg
    shown = []
    warnings._showwarnmsg = shown.append  # if the tree is made after all, it warns of the same once more
    try:
        found = compile_text(source, name, flags, shown)
    except (SyntaxError, ValueError):  # of a part: is it one of the whole? What is not UTF-8 is the latter
        found = None
    finally:
        warnings._showwarnmsg = show
    if found is None:
        return compile_tree(source, name, flags)
    for message in sorted(shown, key=line_of):
        show(message)
    return found


def needs_tree(source):
    # Most texts have none of these words, and looking for a word is much faster than for an expression.
    return (
        b"\r" in source
        or (b"coding" in source and says_coding(source))
        or ((b"global" in source or b"__future__" in source) and speaks_of_all(source))
    )


def line_of(message):
    return message.lineno


def compile_text(source, name, flags, shown):
    """As `compile_program`, without a tree of the whole; None or an error where it needs one."""
    if needs_tree(source):
        return None
    at = last_statement(source)
    rest = None
    if not is_statement(source, at):
        try:
            rest = (compile(shifted(source, at), name, "eval", flags, dont_inherit=True),)
        except SyntaxError:
            del shown[:]
    if not at:
        return rest
    is_expression = rest is not None
    rest = rest or compile_end(shifted(source, at), name, flags)
    if rest is None:
        return None
    # If this is whole by itself, a statement begins where it ends.
    first = compile(source[:at], name, "exec", flags, dont_inherit=True)
    if first.co_flags & COROUTINE and not is_expression:
        return None  # all statements of a turn are one coroutine
    return (first, *rest)


def compile_end(source, name, flags):
    """Compile a last line that is no expression; None where that is not what it means after those before it."""
    if compares_identity(source):
        return None  # equal constants are one object in one piece of code
    tree = compile(source, name, "exec", flags | PyCF_ONLY_AST, dont_inherit=True)
    if not tree.body:
        return None
    first = tree.body[0]
    if type(first) is Expr and type(first.value) is Constant and type(first.value.value) is str:
        return None  # it would be the module's docstring
    codes = compile_parsed(tree, name, flags)
    for code in codes:
        # A module is made ready for annotations before its first statement; what awaits is one coroutine.
        if ANNOTATES.intersection(code.co_names) or code.co_flags & COROUTINE:
            return None
    return codes


def last_statement(source):
    """Return where the last line begins that may begin a statement: mostly one that is not indented."""
    at = len(source)
    while at > 0:
        at = source.rfind(b"\n", 0, at - 1) + 1
        if not at:
            return 0
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
    return compile_parsed(compile(source, name, "exec", flags | PyCF_ONLY_AST, dont_inherit=True), name, flags)


def compile_parsed(tree, name, flags):
    """Compile a tree: its statements, and the expression at its end by itself."""
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
