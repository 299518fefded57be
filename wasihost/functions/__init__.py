"""Functions of the host that a guest may call: what they take and give, and their calls as bytes.

Nothing here calls anything or knows of a run. What arrives from a guest is believed nowhere: `reading` refuses what is
no call, and a function's `bind` what it does not take.
"""
