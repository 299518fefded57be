"""`wasirun repl`: lines that somebody types, or pipes in, become the turns of a session.

`command` is what click calls, `loop` what goes round; `terminal` and `piped` read, `screen` and `telling` print,
`orders` are the commands that begin with %.
"""
