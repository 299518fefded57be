"""Tests of the link checker; an application of the tests answers it."""

import sys
import types
import unittest


class HostFunctionError(Exception):
    def __init__(self, kind, message):
        super().__init__(kind, message)
        self.type, self.message = kind, message


ANSWERS = {("a.md", "b.md"): "found", ("a.md", "c.md"): "no such file"}


def resolve_link(document, target):
    if target.startswith(".."):
        raise HostFunctionError("GuestVisibleError", "out of bounds")
    return ANSWERS[document, target]


host = types.ModuleType("host")
host.HostFunctionError, host.resolve_link = HostFunctionError, resolve_link
sys.modules["host"] = host

import link_checker  # noqa: E402 - it imports the application of the tests

TEXT = "[b](b.md) [c](c.md) `[d](d.md)` [e](https://example.com/) [f](../f.md)\n```\n[g](g.md)\n```\n"


class LinksTest(unittest.TestCase):
    def test_code_has_no_links(self):
        self.assertEqual(link_checker.targets_of(TEXT), ["b.md", "c.md", "https://example.com/", "../f.md"])

    def test_a_document(self):
        self.assertEqual(
            link_checker.on_saved("a.md", TEXT),
            ["4 links: 1 found, 1 elsewhere, 2 to look at", "c.md: no such file", "../f.md: refused (out of bounds)"],
        )
        self.assertEqual(link_checker.on_saved("a.md", ""), ["0 links: 0 found, 0 elsewhere, 0 to look at"])

    def test_all_documents(self):
        self.assertEqual(
            link_checker.report_links({"a.md": "[b](b.md) [c](c.md)", "b.md": ""}),
            ["2 links: 1 found, 0 elsewhere, 1 to look at", "a.md -> c.md: no such file"],
        )


if __name__ == "__main__":
    unittest.main()
