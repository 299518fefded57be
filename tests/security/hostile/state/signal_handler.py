from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: a signal ignored",
    guest="import signal\nsignal.signal(2, signal.SIG_IGN)",
    expect=printed(),
    then=Then("import signal\nsignal.getsignal(2) is signal.SIG_IGN", gave(False)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import signal
signal.signal(2, signal.SIG_IGN)
import signal
signal.getsignal(2) is signal.SIG_IGN
""",
        expect=gave(True),
    ),
)
