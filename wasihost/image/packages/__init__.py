"""Packages for an image: what is wanted, what the build brings along, and what pip says that the rest is.

Nothing of a package is ever executed or imported on the host: wheels only, unpacked by pip, for the guest to read.
"""
