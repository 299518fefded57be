"""Tests of the word counter; they run wherever Python does, also inside the sandbox."""

import unittest

import word_counter


class WordsTest(unittest.TestCase):
    def test_code_and_targets_are_no_words(self):
        text = "The [sea](deep/water.md), the SEA.\n```\nnot this\n```\nIt's 7 o'clock."
        self.assertEqual(word_counter.words_of(text), ["the", "sea", "the", "sea", "it's", "o'clock"])

    def test_a_document(self):
        self.assertEqual(word_counter.on_saved("a.md", "one " * 500), ["500 words, 2 min to read"])
        self.assertEqual(word_counter.on_saved("a.md", ""), ["0 words, 1 min to read"])

    def test_all_documents(self):
        self.assertEqual(
            word_counter.report_words({"a.md": "x y", "b.md": "x x z"}),
            ["5 words in all, most often x 3, y 1, z 1", "b.md: 3", "a.md: 2"],
        )
        self.assertEqual(word_counter.report_words({}), ["0 words in all, most often none"])


if __name__ == "__main__":
    unittest.main()
