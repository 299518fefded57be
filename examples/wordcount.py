"""Count the words of text files: `wordcount.py FOLDER OUT [--top N] [--tsv]`.

Reads every .txt and .md file below FOLDER and writes words.json (or words.tsv) into OUT. It knows nothing of where it
runs: under wasirun it reaches the two folders that were granted, under plain Python whatever you may reach yourself.
"""

import argparse
import collections
import json
import os
import re
import sys

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def text_files(folder):
    for parent, folders, names in os.walk(folder, onerror=complain):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".txt", ".md")):
                yield os.path.join(parent, name)


def complain(error):
    raise error


def count(folder):
    files, words = [], collections.Counter()
    for path in text_files(folder):
        with open(path, encoding="utf-8", errors="replace") as file:
            found = collections.Counter(word.casefold() for line in file for word in WORD.findall(line))
        files.append({"file": os.path.relpath(path, folder), "words": found.total(), "different": len(found)})
        words += found
    return files, words


def ranked(words, top):
    return sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))[:top]


def write_report(out, files, words, *, top, as_table):
    target = os.path.join(out, "words.tsv" if as_table else "words.json")
    with open(target, "w", encoding="utf-8") as file:
        if as_table:
            file.writelines(f"{word}\t{number}\n" for word, number in ranked(words, top))
        else:
            report = {"files": files, "words": words.total(), "different": len(words), "top": dict(ranked(words, top))}
            json.dump(report, file, ensure_ascii=False, indent=2)
            file.write("\n")
    return target


def main():
    parser = argparse.ArgumentParser(prog="wordcount.py", description="Count the words of text files.")
    parser.add_argument("folder", help="folder with .txt and .md files")
    parser.add_argument("out", help="folder for the report")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="how many words to list (20)")
    parser.add_argument("--tsv", action="store_true", help="write a table instead of JSON")
    options = parser.parse_args()
    files, words = count(options.folder)
    target = write_report(options.out, files, words, top=options.top, as_table=options.tsv)
    print(f"{len(files)} files, {words.total()} words, {len(words)} different; the report is {target}")


if __name__ == "__main__":
    sys.exit(main())
