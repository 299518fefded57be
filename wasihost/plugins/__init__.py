"""Plugins as they lie on the disk: manifest, package, what they ask for and what the host gives; nothing runs here.

All of it was written by somebody whom nobody vouches for, so that every byte is read within bounds.
"""
