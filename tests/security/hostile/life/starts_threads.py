from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="starting a thread",
    guest="import threading\nthreading.Thread(target=print).start()",
    expect=raised("RuntimeError"),
    twin=Twin(
        granted="calling the function",
        guest="import threading\nthreading.Thread(target=print).run()",
        expect=printed("\n"),
    ),
)
