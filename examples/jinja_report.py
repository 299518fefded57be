"""Render a report with a template that somebody else wrote: python examples/jinja_report.py [OUTPUT.html]

A template engine is a program for whoever writes the templates. Here it runs in a sandbox: an image holds jinja2,
humanize and a small set-up, built once in about a second; each report then is a fresh interpreter that has them
imported already.
"""

import sys
import time
from pathlib import Path

from wasihost import Image, Limits, Sandbox, errors

# What the image has ready: packages by exact version, modules that are imported, and code that was run.
PACKAGES = ["jinja2==3.1.6", "humanize==4.17.0"]
SETUP = """
import humanize, jinja2
pages = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
pages.filters["money"] = lambda amount: f"{amount:,.2f}"
pages.filters["roughly"] = humanize.intword
"""

# What each run does. `template` and `data` come from the host as JSON; the value of the last line goes back.
PROGRAM = "pages.from_string(template).render(**data)"

TEMPLATE = """\
<!doctype html>
<title>{{ title }}</title>
<h1>{{ title }}</h1>
<table>
{%- for row in rows %}
  <tr><td>{{ row.place }}</td><td align="right">{{ row.amount | money }}</td></tr>
{%- endfor %}
  <tr><th>all</th><th align="right">{{ rows | sum(attribute="amount") | money }}</th></tr>
</table>
<p>That is {{ rows | sum(attribute="amount") | int | roughly }}.</p>
"""

DATA = {
    "title": "Sales of the week",
    "rows": [
        {"place": "Harbour", "amount": 1234.5},
        {"place": "Old & new town", "amount": 99.99},
        {"place": "<script>", "amount": 12.0},
    ],
}


def report_image() -> Image:
    """Return the image, building it when it is not there yet."""
    try:
        image = Image.find("jinja-report")
        Sandbox(image=image).close()
        return image
    except (errors.UnknownImageError, errors.UnusableImageError):  # none yet, or one of an older version
        started = time.monotonic()
        image = Image.build(name="jinja-report", packages=PACKAGES, modules=["jinja2", "humanize"], setup=SETUP)
        print(f"built the image {image.name} in {time.monotonic() - started:.1f} s:", file=sys.stderr)
        for package in image.packages:
            print(f"  {package.name} {package.version} ({package.source})", file=sys.stderr)
        return image


def main() -> None:
    limits = Limits(deadline_seconds=20.0, fuel=5_000_000_000, output_bytes=10_000)
    with Sandbox(image=report_image(), limits=limits) as sandbox:
        page = sandbox.run(PROGRAM, inputs={"template": TEMPLATE, "data": DATA}, check=True).value
        # A template that loops for ever, or tries to reach the machine, ends like any other program.
        hostile = [
            "{% for a in range(10**9) %}{% for b in range(10**9) %}{% endfor %}{% endfor %}",
            "{{ ''.__class__.__mro__[1].__subclasses__() | length }} {{ cycler.__init__.__globals__.os.listdir('/') }}",
        ]
        for template in hostile:
            result = sandbox.run(PROGRAM, inputs={"template": template, "data": {}})
            reason = result.error.type if result.error else result.detail
            print(f"a hostile template: {result.outcome.value}, {reason}", file=sys.stderr)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page, encoding="utf-8")
    else:
        print(page)


if __name__ == "__main__":
    main()
