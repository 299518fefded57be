"""Show a folder of Markdown files, with plugins of other people: `app.py [FOLDER] [--out OUT] [--plugins PLUGINS]`.

Reads all documents below FOLDER, knows which links to which, writes them to OUT as HTML pages, and tells plugins of
each. They run in sandboxes and reach what they were given: nothing, or one function that says where a link leads.
"""

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from documents import Library
from extensions import Answer, Extensions
from pages import page

HOME = Path(__file__).resolve().parent


def work(options: argparse.Namespace) -> dict[str, Any]:
    """Do everything; return what there is to tell, as values for JSON."""
    library = Library.read(options.folder)
    linked_from = library.linked_from()
    with Extensions(options.plugins, library, containment=options.containment) as extensions:
        if unknown := set(options.report or ()) - set(extensions.plugins):
            raise SystemExit(f"there is no plugin {', '.join(sorted(unknown))}")
        saved = {name: extensions.saved(name) for name in library.documents}
        reports = extensions.reports(lambda name: not options.report or name in options.report)
        plugins = {
            name: {
                "version": plugin.version,
                "author": plugin.manifest.author,
                "asks for": [str(capability) for capability in plugin.request.capabilities],
                "does not get": [str(capability) for capability in plugin.withheld],
                "calls let through": extensions.doors[name].let_through,
                "calls refused": extensions.doors[name].refused,
                "suspended": plugin.suspended,
            }
            for name, plugin in sorted(extensions.plugins.items())
        }
        failed = extensions.failed
    if options.out is not None:
        for name, document in library.documents.items():
            remarks = [f"{answer.plugin}: {line}" for answer in saved[name] for line in answer.lines]
            target = options.out / (name.removesuffix(".md") + ".html")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(page(document, linked_from[name], remarks), encoding="utf-8")
    return {
        "documents": {
            name: {"title": document.title, "links": len(document.links), "linked from": linked_from[name]}
            for name, document in library.documents.items()
        },
        "skipped": library.skipped,
        "saved": {name: [asdict(answer) for answer in answers] for name, answers in saved.items()},
        "reports": [asdict(answer) for answer in reports],
        "plugins": plugins,
        "not loaded": failed,
    }


def as_text(told: dict[str, Any]) -> str:
    """Return what there is to tell, for a person."""
    lines = [f"{len(told['documents'])} documents"]
    for name, about in told["documents"].items():
        origin = ", ".join(about["linked from"]) or "nowhere"
        lines.append(f"  {name}: {about['title']}; {about['links']} links, linked from {origin}")
    lines += [f"  {name} was left out: it {why}" for name, why in told["skipped"].items()]
    lines += ["", "What plugins said when they were told of each"]
    for name, answers in told["saved"].items():
        lines.append(f"  {name}")
        for answer in answers:
            lines += answer_text(Answer(**answer), "    ")
    lines += ["", "Reports"]
    for answer in told["reports"]:
        lines += answer_text(Answer(**answer), "  ")
    lines += ["", "Plugins"]
    for name, about in told["plugins"].items():
        lines.append(f"  {name} {about['version']}, by {about['author'] or 'somebody'}")
        lines.append(f"    asks for: {', '.join(about['asks for']) or 'nothing'}")
        if about["does not get"]:
            lines.append(f"    does not get: {', '.join(about['does not get'])}")
        lines.append(f"    calls: {about['calls let through']} let through, {about['calls refused']} refused")
        if about["suspended"]:
            lines.append("    suspended: it failed too often, and is not told of documents any more")
    lines += [f"  {name} was not loaded: {why}" for name, why in told["not loaded"].items()]
    return "\n".join(lines)


def answer_text(answer: Answer, indent: str) -> list[str]:
    """Return an answer as lines, each of which begins with who said it."""
    who = f"{indent}{answer.plugin}.{answer.function}"
    if answer.failure:
        return [f"{who} failed, {answer.failure}: {answer.why}"]
    return [f"{who}: {line}" for line in answer.lines] or [f"{who}: nothing"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="app.py", description="Show a folder of Markdown files, with plugins.")
    parser.add_argument("folder", nargs="?", type=Path, default=HOME / "notes", help="the documents (notes)")
    parser.add_argument("--plugins", type=Path, default=HOME / "plugins", help="a folder of plugins (plugins)")
    parser.add_argument("--out", type=Path, help="where to write HTML pages; by default they are not written")
    parser.add_argument("--report", action="append", metavar="PLUGIN", help="whose reports are wanted (of all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--containment", choices=["process", "in-process"], default="process", help="where plugins run (process)"
    )
    options = parser.parse_args()
    for name in ("folder", "plugins"):
        if not getattr(options, name).is_dir():
            parser.error(f"{getattr(options, name)} is no folder")
    logging.getLogger("wasihost").setLevel(logging.CRITICAL)  # what plugins do is told in the report
    told = work(options)
    print(json.dumps(told, indent=2, ensure_ascii=False) if options.json else as_text(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
