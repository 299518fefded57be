"""Walls of the operating system that a process puts around itself, for good.

Resource limits, Landlock, a filter of system calls: `enclosure` puts them up and says which stand.
Nothing is imported here, so that a worker starts quickly.
"""
