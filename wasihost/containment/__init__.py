"""The process around the engine: disposable workers, the wire to them, and the walls of the operating system.

A worker puts the walls up around itself before it runs anything that nobody vouches for.
"""
