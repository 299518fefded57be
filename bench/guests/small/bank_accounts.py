from abc import ABC, abstractmethod
from contextlib import contextmanager


class InsufficientFunds(Exception):
    def __init__(self, account, wanted):
        super().__init__(f"{account.owner} has {account.balance} and wants {wanted}")
        self.missing = wanted - account.balance


class Account(ABC):
    numbers = iter(range(1000, 10000))

    def __init__(self, owner, balance=0):
        self.owner, self._balance = owner, balance
        self.number = next(Account.numbers)
        self.history = []

    @property
    def balance(self):
        return self._balance

    @property
    @abstractmethod
    def floor(self): ...

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError(f"cannot deposit {amount}")
        self._balance += amount
        self.history.append(("+", amount))

    def withdraw(self, amount):
        if self._balance - amount < self.floor:
            raise InsufficientFunds(self, amount)
        self._balance -= amount
        self.history.append(("-", amount))

    def __str__(self):
        return f"{type(self).__name__} {self.number} of {self.owner}: {self.balance:,}"


class Savings(Account):
    floor = 0

    def add_interest(self, percent):
        self.deposit(self.balance * percent // 100)


class Checking(Account):
    @property
    def floor(self):
        return -500


@contextmanager
def transaction(*accounts):
    before = [(account, account._balance, len(account.history)) for account in accounts]
    try:
        yield
    except Exception:
        for account, balance, length in before:
            account._balance = balance
            del account.history[length:]
        raise


savings, checking = Savings("Ada", 12_000), Checking("Grace", 300)
savings.add_interest(3)
with transaction(savings, checking):
    savings.withdraw(5_000)
    checking.deposit(5_000)
for amount in (5_600, 9_000):
    try:
        with transaction(savings, checking):
            checking.withdraw(amount)
            savings.deposit(amount)
        print("moved", amount)
    except InsufficientFunds as error:
        print("refused:", error, "missing", error.missing)
try:
    Account("nobody")
except TypeError as error:
    print("abstract:", "floor" in str(error))
try:
    savings.deposit(-1)
except ValueError as error:
    print(error)
print(savings, checking, sep="\n")
print(savings.history, checking.history)
