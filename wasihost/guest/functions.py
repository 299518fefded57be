"""The module `host`: functions of the host that this program may call."""

# Runs inside the guest, on every runtime from CPython 3.11, in the namespace of harness.py and values.py and after
# them. Like the harness, it is no wall: the host decides about each call by itself, whatever is sent from here.
# ruff: noqa: F821, PLW0603 - names of harness.py and values.py are there; the calls of the one run are global
import collections
import inspect
import sys
import types

CALL, START, WAIT, TAKE = 4, 5, 6, 7
FOR_EVER = 2**32 - 1
SLICE_MILLISECONDS = 10  # how long files are not looked at while replies are waited for
NO_FUNCTIONS = "this program was granted no functions of the host (`functions=[...]` grants them)"
RE_ENTERED = "a function of the host was called while another call was being made (by a finalizer or a signal)"
NO_CALLS = "functions of the host cannot be called here"
TURN_OVER = "the turn that made this call is over"

told_functions = {}  # name -> what the host says of it
calls_may = {"concurrent": 1, "argument_bytes": 0}
pending_calls = {}  # ticket -> future
waiting_calls = collections.deque()  # futures of those that wait until fewer are pending
last_ticket = 0
is_calling = False
host_module = None


class HostFunctionError(Exception):
    """A function of the host raised something, or the call was refused.

    Attributes:
        type: Name of the class that was raised on the host.
        message: What the host says about it to this program, often nothing.
    """

    def __init__(self, type="HostFunctionError", message=""):
        super().__init__(type, message)
        self.type = type
        self.message = message

    def __str__(self):
        return f"{self.type}: {self.message}" if self.message else self.type


HostFunctionError.__module__ = "host"
RAISED_AS_THEY_ARE = {"TypeError": TypeError, "ValueError": ValueError}  # of the arguments of this program's own call


class Text(str):
    """Prints as it is: what the host says of a type or a default that is none here."""

    __slots__ = ()

    def __repr__(self):
        return str(self)


class HostModule(types.ModuleType):
    """Makes the functions when they are asked for: most programs use few of those that they have."""

    def __getattr__(self, name):
        told = told_functions.get(name)
        if told is None:
            raise AttributeError(no_function(name), name=name, obj=self)
        function = make_function(told)
        setattr(self, name, function)
        return function

    def __dir__(self):
        return sorted({*vars(self), *told_functions})


def no_function(name):
    return f"no function {name!r} of the host was granted to this program; there is {', '.join(sorted(told_functions))}"


def install_functions(said):
    """Put the module in place, or take it away: `said` is what the host tells of the functions, None without any."""
    global told_functions, calls_may, host_module
    if said is None:
        if host_module is not None:
            told_functions = {}
            if sys.modules.get("host") is host_module:
                del sys.modules["host"]
            host_module = None
        return
    told_functions = {told["name"]: told for told in said["functions"]}
    calls_may = said
    host_module = module = HostModule("host", "Functions of the host that this program may call.")
    module.__path__ = []  # so that importing a name that is not there gets as far as the finder, which says why
    module.HostFunctionError = HostFunctionError
    module.__all__ = ["HostFunctionError", *told_functions]
    sys.modules["host"] = module


def find_host(name, path):
    """Say of functions that were not granted that they were not."""
    if name != "host":
        raise ModuleNotFoundError(no_function(name.partition(".")[2]), name="host")
    finder = sys.modules["_frozen_importlib_external"].PathFinder
    spec = finder.find_spec(name, path)
    if spec is not None and not (spec.origin or "").startswith(own_libraries):
        return spec  # a module of the program's own
    raise ModuleNotFoundError(NO_FUNCTIONS, name=name)


def make_function(told):
    name = told["name"]
    if told["is_async"]:

        async def function(*args, **kwargs):
            return await call_later(name, args, kwargs)

    else:

        def function(*args, **kwargs):
            return call_now(name, args, kwargs)

    function.__name__ = function.__qualname__ = name
    function.__module__ = "host"
    function.__doc__ = told["help"] or None
    function.__code__ = function.__code__.replace(co_name=name, co_qualname=name)
    parameters = []
    annotations = {}
    for label, kind, has_default, default, annotation in told["parameters"]:
        more = {}
        if annotation:
            more["annotation"] = annotations[label] = Text(annotation)
        if has_default:
            more["default"] = default if has_default == 1 else Text("...")
        parameters.append(inspect.Parameter(label, getattr(inspect.Parameter, kind), **more))
    more = {}
    if told["returns"]:
        more["return_annotation"] = annotations["return"] = Text(told["returns"])
    function.__signature__ = inspect.Signature(parameters, **more)
    function.__annotations__ = annotations
    return function


# -- calls ------------------------------------------------------------------------------------------------------------


def message_within(name, args, kwargs):
    message = message_of(name, args, kwargs)
    if len(message) > calls_may["argument_bytes"]:
        raise ValueError(
            f"the arguments of {name}() take {len(message)} bytes, and the host reads {calls_may['argument_bytes']}"
        )
    return message


def call_now(name, args, kwargs):
    """Call a function and wait for it."""
    message = message_within(name, args, kwargs)
    while len(pending_calls) >= calls_may["concurrent"]:
        take_replies(FOR_EVER)
    return value_of(exchange(CALL, 0, message)[1])


async def call_later(name, args, kwargs):
    """Call a function and let other tasks go on meanwhile."""
    global last_ticket
    message = message_within(name, args, kwargs)
    loop = sys.modules["asyncio"].get_running_loop()
    while len(pending_calls) >= calls_may["concurrent"]:
        turn = loop.create_future()
        waiting_calls.append(turn)
        try:
            await turn
        except BaseException:
            if turn in waiting_calls:
                waiting_calls.remove(turn)
            else:  # it was this one's turn, which is the next one's now
                let_one_begin()
            raise
    last_ticket = ticket = last_ticket % (2**32 - 1) + 1
    future = pending_calls[ticket] = loop.create_future()
    try:
        reply = exchange(START, ticket, message)[1]
    except BaseException:
        pending_calls.pop(ticket, None)
        raise
    if reply:  # at once: the call was refused
        pending_calls.pop(ticket, None)
        let_one_begin()
        return value_of(reply)
    return value_of(await future)


def take_replies(milliseconds):
    """Wait for a reply to a call that was begun, and hand over all that are there."""
    ticket, reply = exchange(WAIT, 0, b"", milliseconds)
    while ticket:
        future = pending_calls.pop(ticket, None)
        if is_awaited(future):
            future.set_result(reply)
        let_one_begin()
        if not pending_calls:
            return
        ticket, reply = exchange(WAIT, 0, b"", 0)


def let_one_begin():
    """Wake one of those that wait until fewer calls are pending."""
    while waiting_calls:
        turn = waiting_calls.popleft()
        if is_awaited(turn):
            turn.set_result(None)
            return


def is_awaited(future):
    """Whether somebody may still wait for it: event loops end before the calls that were begun in them."""
    return future is not None and not future.done() and not future.get_loop().is_closed()


def exchange(command, ticket, message, milliseconds=0):
    """Ring with a call or for a reply; return the ticket and the reply that the host gives."""
    global is_calling
    if is_calling:
        raise RuntimeError(RE_ENTERED)
    is_calling = True
    try:
        sent = array.array("B", message)
        word(4, len(sent) if command != WAIT else milliseconds)
        word(8, sent.buffer_info()[0])
        word(20, ticket)
        ring(command)
        if box[0]:  # nobody has answered: no functions are called while an editor asks a question, for one
            word(0, 0)
            raise HostFunctionError("CallRefusedError", NO_CALLS)
        length, ticket = read_number(box, 24)[0], read_number(box, 20)[0]
        if length <= MAILBOX_BYTES - BODY:
            return ticket, box[BODY : BODY + length].tobytes()
        room = array.array("B", [0]) * length
        word(8, room.buffer_info()[0])
        ring(TAKE)
        return ticket, room.tobytes()
    finally:
        is_calling = False


def value_of(reply):
    """Return what a function returned, or raise what it raised."""
    is_error, *said = value_of_reply(reply)
    if not is_error:
        return said[0]
    kind, message = said
    raised = RAISED_AS_THEY_ARE.get(kind)
    raise raised(message) if raised is not None else HostFunctionError(kind, message)


def forget_calls():
    """Fail what an earlier turn began and did not wait for: no reply to it will ever come."""
    for future in (*pending_calls.values(), *waiting_calls):
        try:
            if is_awaited(future):
                future.set_exception(HostFunctionError("CallAbandonedError", TURN_OVER))
                future.exception()  # nobody needs to have waited for it
        except BaseException:
            pass
    pending_calls.clear()
    waiting_calls.clear()


def adapt_selector(selector):
    """Let event loops wait for replies of the host, which come by no file."""
    original = selector.select

    def select(self, timeout=None):
        if not pending_calls:
            return original(self, timeout)
        clock, until = time.monotonic, None if timeout is None else time.monotonic() + max(timeout, 0)
        while True:
            ready = original(self, 0) if self.get_map() else []
            left = FOR_EVER if until is None else max(0, int((until - clock()) * 1000 + 0.999))
            before = len(pending_calls)
            take_replies(0 if ready else min(left, SLICE_MILLISECONDS if self.get_map() else FOR_EVER))
            if ready or len(pending_calls) != before or not left:
                return ready

    selector.select = select


own_libraries = ()  # where the standard library lies; a build may have a `host` of its own there, for another embedder
