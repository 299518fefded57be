"""Tests of the hostile plugin: what it tries is really tried, and succeeds where nothing keeps it from doing so."""

import os
import sys
import tempfile
import types
import unittest

sys.modules.setdefault("host", types.ModuleType("host"))

import hostile  # noqa: E402 - as if there were a host

INSIDE = sys.platform == "wasi"


class AttemptsTest(unittest.TestCase):
    def test_an_attempt_that_succeeds_says_so(self):
        self.assertEqual(hostile.tried("see", hostile.read, hostile.__file__)[:9], "see: GOT ")
        self.assertEqual(hostile.tried("see", hostile.read, "/no/such/file"), "see: FileNotFoundError")

    @unittest.skipIf(INSIDE, "there is nowhere to write")
    def test_what_can_be_written_is_written(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(hostile.tried("put", hostile.write, os.path.join(folder, "a")), "put: GOT 16")

    def test_documents_are_spoilt(self):
        documents = {"a.md": "text"}
        hostile.report_others(documents)
        self.assertEqual(documents, {})

    def test_it_answers_what_nobody_should_show(self):
        self.assertIn("\x1b", "".join(hostile.report_disguise({})))
        self.assertEqual(len(hostile.report_huge({})[0]), 10_000_000)
        with self.assertRaises(ValueError):
            hostile.report_message({})

    def test_the_end_is_an_error_when_it_was_asked_for(self):
        hostile.teardown()
        hostile.report_teardown({})
        self.addCleanup(setattr, hostile, "fails_at_the_end", False)
        with self.assertRaises(OSError):
            hostile.teardown()

    def test_the_harness_is_found_where_there_is_one(self):
        if INSIDE:
            self.assertIn("mailbox", hostile.harness())
        else:
            self.assertRaises(LookupError, hostile.harness)


if __name__ == "__main__":
    unittest.main()
