"""Other people's interfaces, on the public names of wasihost: a file and an extra each.

Nothing else of wasihost imports them, so what they need is missed only by who asks for them.
"""
