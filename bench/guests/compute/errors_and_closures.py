"""What programs are made of besides: exceptions, closures, decorators, context managers, generators, unpacking."""

from contextlib import contextmanager, suppress
from functools import wraps


def counted(function):
    @wraps(function)
    def call(*args, **kwargs):
        call.count += 1
        return function(*args, **kwargs)

    call.count = 0
    return call


class Refused(Exception):
    def __init__(self, number):
        super().__init__(number)
        self.number = number


@counted
def check(number, *, step=7):
    if number % step == 0:
        raise Refused(number)
    return number


@contextmanager
def noting(log, number):
    log.append(number)
    try:
        yield log
    except Refused as error:
        log.append(-error.number)
    finally:
        del log[:-3]


def adder(start):
    total = start

    def add(value):
        nonlocal total
        total += value
        return total

    return add


def running(values, function):
    for value in values:
        sent = yield function(value)
        if sent:
            function(sent)


add, log, refused = adder(0), [], 0
for number in range(14000):
    try:
        add(check(number))
    except Refused as error:
        refused += error.number
    with noting(log, number), suppress(KeyError):
        check(number, step=5)
        {}[number]
generator = running(range(18000), add)
values = [next(generator)]
for number, value in enumerate(generator):
    head, *_, tail = (number, value, number + 1)
    values.append(head ^ tail)
    if number % 1000 == 0:
        values.append(generator.send(number))
print(add(0), refused, log, check.count, sum(values), max(map(str, values)))
