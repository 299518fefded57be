from hostile.case import Case, Expect, Twin, printed

CASE = Case(
    title="interrupting itself as Ctrl-C would",
    guest="import signal\nsignal.raise_signal(signal.SIGINT)",
    expect=Expect(exit_code=130, error_type="KeyboardInterrupt", stderr=None),
    twin=Twin(
        granted="heard by a handler",
        guest="""\
import signal
signal.signal(2, lambda *_: print('heard'))
signal.raise_signal(2)
""",
        expect=printed("heard\n"),
    ),
)
