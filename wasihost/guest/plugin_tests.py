"""Runs the tests of a plugin, whose files are at /plugin, and tells how they went."""

# Runs inside the guest, as a program of its own. What it tells is the plugin's word, like all that is told inside.
import os
import sys
import unittest

FOLDER = "/plugin"


def tell_of_tests():
    """{"tests": how many were run, "skipped": how many of them not, "failed": names of those that did not pass}."""
    os.chdir(FOLDER)
    sys.path.insert(0, FOLDER)
    suite = unittest.TestSuite()
    for name in ("tests", "test"):
        start = f"{FOLDER}/{name}"
        if os.path.isdir(start):
            # Tests in a package may import each other by its name.
            top = FOLDER if os.path.isfile(f"{start}/__init__.py") else start
            suite.addTests(unittest.TestLoader().discover(start, top_level_dir=top))
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=1).run(suite)
    failed = [test.id() for test, _ in [*result.errors, *result.failures]]
    failed += [test.id() for test in result.unexpectedSuccesses]
    return {"tests": result.testsRun, "skipped": len(result.skipped), "failed": failed}


tell_of_tests()
