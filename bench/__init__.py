"""Measurements. Each file is a program that prints a table with the machine's line."""
