"""What can be granted to a guest, and nothing else.

`preopen` has the values a host writes, `paths` opens them (the one path boundary), `scratch` makes and removes private
folders, `grants` checks environment, arguments, inputs and standard input, `profile` and `policy` read the TOML data.
"""

from __future__ import annotations
