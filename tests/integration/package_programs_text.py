"""Programs that try the packages for documents and text, and those that others are built on."""

from __future__ import annotations

from package_lab import native, pure

DOCUMENTS = [
    native("lxml", """
        from lxml import etree, html
        shop = etree.fromstring('<shop><item price="3">tea</item><item price="9"><b>ja</b>va</item></shop>')
        sheet = etree.XSLT(etree.fromstring(
            '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:output method="text"/>'
            '<xsl:template match="/"><xsl:value-of select="sum(//@price)"/></xsl:template></xsl:stylesheet>'))
        [shop.xpath('//item[@price > 5]//text()'), shop.xpath('sum(//@price)'), str(sheet(shop)),
         html.fromstring('<p>a<br>b &eacute;').text_content(), etree.tostring(shop[0]).decode()]
        """, [["ja", "va"], 12.0, "12", "ab é", '<item price="3">tea</item>']),
    pure("beautifulsoup4", """
        from bs4 import BeautifulSoup
        soup = BeautifulSoup('<ul><li class=a>one<li><a href="/x">two</a></ul>', 'html.parser')
        [soup.a['href'], [item.get_text() for item in soup.find_all('a')], soup.find('li', class_='a').contents[0]]
        """, ["/x", ["two"], "one"]),
    native("beautifulsoup4", """
        from bs4 import BeautifulSoup
        page = '<ul><li>one<li>two</ul>'
        [[item.get_text() for item in BeautifulSoup(page, parser)('li')] for parser in ('lxml', 'html5lib')]
        """, [["one", "two"], ["one", "two"]]),
    pure("soupsieve", """
        import soupsieve
        from bs4 import BeautifulSoup
        soup = BeautifulSoup('<p id=a>1</p><p class=b>2</p><div><p>3</p></div>', 'html.parser')
        [[item.text for item in soupsieve.select(css, soup)] for css in ('p:not(.b)', 'div > p', 'p:nth-of-type(2)')]
        """, [["1", "3"], ["3"], ["2"]]),
    pure("html5lib", """
        import html5lib
        tree = html5lib.parse('<table><tr><td>a<td>b&copy', namespaceHTMLElements=False)
        [cell.text for cell in tree.findall('.//tbody/tr/td')]
        """, ["a", "b©"]),
    pure("webencodings", """
        import webencodings
        text, encoding = webencodings.decode(b'\\x80 \\xe9', 'latin1')
        [text, encoding.name, webencodings.lookup('utf8').name]
        """, ["€ é", "windows-1252", "utf-8"]),
    pure("xmltodict", """
        import xmltodict
        held = xmltodict.parse('<a k="1"><b>x</b><b>y</b></a>')
        [held, xmltodict.parse(xmltodict.unparse(held)) == held]
        """, [{"a": {"@k": "1", "b": ["x", "y"]}}, True]),
    pure("defusedxml", """
        from defusedxml import ElementTree, EntitiesForbidden
        bomb = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>'
        try:
            ElementTree.fromstring(bomb)
        except EntitiesForbidden as error:
            said = error.name
        [said, ElementTree.fromstring('<a><b/></a>')[0].tag]
        """, ["b", "b"]),
    pure("pypdf", """
        import io
        from pypdf import PdfReader, PdfWriter
        writer = PdfWriter()
        writer.add_blank_page(200, 100)
        writer.add_blank_page(300, 100)
        writer.pages[0].rotate(90)
        writer.encrypt('secret', algorithm='RC4-128')
        out = io.BytesIO()
        writer.write(out)
        reader = PdfReader(out)
        reader.decrypt('secret')
        [len(reader.pages), float(reader.pages[1].mediabox.width), reader.pages[0].rotation]
        """, [2, 300.0, 90]),
    native("reportlab", """
        # Its layout needs Pillow.
        from pypdf import PdfReader
        from reportlab.lib.pagesizes import A5
        from reportlab.lib.styles import getSampleStyleSheet
        from reportlab.platypus import Paragraph, SimpleDocTemplate, Table
        parts = [Paragraph('Hello <b>bold</b> world', getSampleStyleSheet()['Normal']), Table([['n', '42']])]
        SimpleDocTemplate('/tmp/a.pdf', pagesize=A5).build(parts)
        reader = PdfReader('/tmp/a.pdf')
        [len(reader.pages), reader.pages[0].extract_text().split()]
        """, [1, ["Hello", "bold", "world", "n", "42"]]),
    pure("jinja2", """
        import jinja2
        source = '{% for n in ns if n > 1 %}{{ loop.index }}:{{ n }} {% endfor %}{{ "<" }}'
        jinja2.Environment(autoescape=True).from_string(source).render(ns=[1, 2, 3])
        """, "1:2 2:3 &lt;"),
    pure("markupsafe", "from markupsafe import Markup, escape\n"
         "str(Markup('<b>%s</b>') % '<i>' + escape('&'))", "<b>&lt;i&gt;</b>&amp;"),
    pure("pyyaml", """
        import yaml
        held = yaml.safe_load('a: [1, 2.5, null]\\nb: {c: yes}\\nd: 2024-02-29\\ne: |\\n  two\\n  lines\\n')
        [held['a'], held['b'], str(held['d']), held['e'], yaml.safe_load(yaml.safe_dump(held)) == held]
        """, [[1, 2.5, None], {"c": True}, "2024-02-29", "two\nlines\n", True]),
    pure("tomli-w", """
        import tomli_w, tomllib
        held = {'a': {'b': [1, 2], 'c': 'x"y'}, 'd': 1.5}
        [tomllib.loads(tomli_w.dumps(held)) == held, tomli_w.dumps({'a': {'b': True}})]
        """, [True, "[a]\nb = true\n"]),
    pure("tabulate", "from tabulate import tabulate\n"
         "tabulate([['a', 1], ['b', 22]], headers=['k', 'v'], tablefmt='github').splitlines()",
         ["| k   |   v |", "|-----|-----|", "| a   |   1 |", "| b   |  22 |"]),
    pure("charset-normalizer", """
        import charset_normalizer
        text = 'Всичко, което трябва да знаете за кодирането на текста, записахме тук.'
        [str(charset_normalizer.from_bytes(text.encode(name)).best()) == text for name in ('utf-8', 'utf-16', 'cp1251')]
        """, [True, True, True]),
    native("regex", """
        import regex
        [regex.findall(r'\\((?:[^()]|(?R))*\\)', 'f(a(b)c) (d)'), regex.findall(r'\\p{Lu}\\p{Ll}+', 'Ärger und Öl'),
         regex.fullmatch(r'(?:colour){e<=1}', 'color') is not None, regex.sub(r'(?<=a+)b', 'x', 'aab b')]
        """, [["(a(b)c)", "(d)"], ["Ärger", "Öl"], True, "aax b"]),
    native("pillow", """
        from PIL import Image, ImageDraw, ImageFilter
        picture = Image.new('RGB', (8, 4), 'white')
        ImageDraw.Draw(picture).rectangle((0, 0, 3, 3), fill=(255, 0, 0))
        picture.save('/tmp/a.png')
        back = Image.open('/tmp/a.png')
        turned = back.rotate(90, expand=True).convert('L')
        [open('/tmp/a.png', 'rb').read(8).hex(), back.size, back.getpixel((3, 3)), back.getpixel((4, 0)), turned.size,
         turned.getpixel((0, 7)), back.filter(ImageFilter.BoxBlur(1)).getpixel((1, 1)), sorted(back.getcolors())]
        """, ["89504e470d0a1a0a", [8, 4], [255, 0, 0], [255, 255, 255], [4, 8], 76, [255, 0, 0],
              [[16, [255, 0, 0]], [16, [255, 255, 255]]]]),
    pure("fonttools", """
        from fontTools.fontBuilder import FontBuilder
        from fontTools.pens.ttGlyphPen import TTGlyphPen
        from fontTools.ttLib import TTFont
        pen = TTGlyphPen(None)
        for step, point in zip((pen.moveTo, pen.lineTo, pen.lineTo), ((0, 0), (500, 0), (250, 700))):
            step(point)
        pen.closePath()
        font = FontBuilder(1000, isTTF=True)
        font.setupGlyphOrder(['.notdef', 'A'])
        font.setupCharacterMap({65: 'A'})
        font.setupGlyf({'.notdef': TTGlyphPen(None).glyph(), 'A': pen.glyph()})
        font.setupHorizontalMetrics({'.notdef': (600, 0), 'A': (600, 0)})
        font.setupHorizontalHeader(ascent=800, descent=-200)
        font.setupPost()
        font.save('/tmp/a.ttf')
        back = TTFont('/tmp/a.ttf')
        [back.getBestCmap(), back['glyf']['A'].xMax, back['glyf']['A'].yMax, back['head'].unitsPerEm]
        """, [{"65": "A"}, 500, 700, 1000]),
]  # fmt: skip


FOUNDATIONS = [
    pure("attrs", """
        import attrs
        @attrs.frozen
        class Point:
            x: int = attrs.field(converter=int, validator=attrs.validators.ge(0))
            y: int = 2
        try:
            Point(-1)
        except ValueError:
            refused = True
        [attrs.asdict(Point('1')), Point(1) == Point('1'), refused, repr(attrs.evolve(Point(1), y=5))]
        """, [{"x": 1, "y": 2}, True, True, "Point(x=1, y=5)"]),
    pure("wrapt", """
        import wrapt
        @wrapt.decorator
        def twice(wrapped, instance, args, kwargs):
            return 2 * wrapped(*args, **kwargs)
        class Box:
            @twice
            def size(self, n):
                "How large."
                return n
        [Box().size(21), Box.size.__doc__, wrapt.ObjectProxy([1, 2]) == [1, 2]]
        """, [42, "How large.", True]),
    pure("toolz", "import toolz\n"
         "[toolz.groupby(len, ['a', 'bb', 'c']), toolz.pipe(3, lambda x: x + 1, str),"
         " list(toolz.sliding_window(2, [1, 2, 3])), toolz.get_in(['a', 0], {'a': [7]})]",
         [{"1": ["a", "c"], "2": ["bb"]}, "4", [[1, 2], [2, 3]], 7]),
    pure("more-itertools", "import more_itertools as m\n"
         "[list(m.chunked(range(5), 2)), list(m.flatten([[1], [2, 3]])), m.first_true([0, 3]), "
         "len(list(m.distinct_permutations('aab')))]",
         [[[0, 1], [2, 3], [4]], [1, 2, 3], 3, 3]),
    pure("joblib", """
        from math import sqrt
        from joblib import Memory, Parallel, delayed, dump, load
        calls = []
        def square(x):
            calls.append(x)
            return x * x
        kept = Memory('/tmp/kept', verbose=0).cache(square)
        dump({'a': [1, 2]}, '/tmp/a.joblib', compress=3)
        [Parallel(n_jobs=2)(delayed(sqrt)(n**2) for n in range(4)), kept(3), kept(3), calls, load('/tmp/a.joblib')]
        """, [[0.0, 1.0, 2.0, 3.0], 9, 9, [3], {"a": [1, 2]}]),
    pure("cloudpickle", """
        import pickle, cloudpickle
        base = 10
        class Adder:
            def __call__(self, n):
                return n + base
        [pickle.loads(cloudpickle.dumps(lambda n: n * base))(4), pickle.loads(cloudpickle.dumps(Adder()))(1)]
        """, [40, 11]),
    pure("tqdm", """
        import io
        from tqdm import tqdm
        out = io.StringIO()
        tqdm.monitor_interval = 0  # its watching thread cannot be had, and it would warn
        bar = tqdm(range(4), file=out)
        [sum(bar), bar.n, '4/4' in out.getvalue(), tqdm.format_sizeof(1536, divisor=1024)]
        """, [6, 4, True, "1.50k"]),
    pure("threadpoolctl", """
        from threadpoolctl import threadpool_info, threadpool_limits
        # Nothing inside has threads, so there is nothing to limit.
        with threadpool_limits(limits=1):
            found = threadpool_info()
        found
        """, []),
    pure("packaging", """
        from packaging.requirements import Requirement
        from packaging.version import Version
        need = Requirement("numpy[x]>=1.20,<3; python_version > '3'")
        [sorted(need.extras), need.specifier.contains('2.5'), need.specifier.contains('3.1'), need.marker.evaluate(),
         Version('1.10') > Version('1.9'), str(Version('1.0.POST1'))]
        """, [["x"], True, False, True, True, "1.0.post1"]),
    pure("python-dateutil", """
        import datetime
        from dateutil import easter, parser, relativedelta, rrule, tz
        start = datetime.datetime(2026, 1, 1)
        fridays = rrule.rrule(rrule.MONTHLY, count=2, byweekday=rrule.FR, bymonthday=13, dtstart=start)
        [str(parser.parse('3rd of Feb 2024 4pm')), str(easter.easter(2025)), [str(day.date()) for day in fridays],
         str(datetime.date(2024, 1, 31) + relativedelta.relativedelta(months=1)),
         str(datetime.datetime(2026, 7, 1, tzinfo=tz.gettz('Asia/Tokyo')).utcoffset())]
        """, ["2024-02-03 16:00:00", "2025-04-20", ["2026-02-13", "2026-03-13"], "2024-02-29", "9:00:00"]),
    pure("tzdata", """
        import datetime, importlib.resources, zoneinfo
        summer = datetime.datetime(2026, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo('America/New_York'))
        inside = importlib.resources.files('tzdata.zoneinfo.Europe').joinpath('Berlin').read_bytes()
        [str(summer.utcoffset()), str(summer.astimezone(zoneinfo.ZoneInfo('Europe/Berlin')).time()),
         inside[:4].decode(), len(zoneinfo.available_timezones()) > 400]
        """, ["-1 day, 20:00:00", "18:00:00", "TZif", True]),
    pure("typing-extensions", """
        from typing_extensions import Required, TypedDict, get_type_hints, is_typeddict
        class Movie(TypedDict, total=False):
            title: Required[str]
            year: int
        [sorted(Movie.__required_keys__), is_typeddict(Movie), get_type_hints(Movie)['year'].__name__]
        """, [["title"], True, "int"]),
    pure("six", """
        import six
        class Meta(type):
            kind = 'meta'
        @six.add_metaclass(Meta)
        class Thing: pass
        [six.PY3, type(Thing).__name__, six.ensure_text(b'a'), list(six.iteritems({'k': 1})),
         six.moves.reduce(max, [1, 3, 2])]
        """, [True, "Meta", "a", [["k", 1]], 3]),
    pure("pyparsing", """
        from functools import reduce
        import pyparsing as pp
        number = pp.common.integer
        sign = {'+': int.__add__, '*': int.__mul__}
        left = lambda tokens: reduce(sign[tokens[0][1]], tokens[0].as_list()[::2])
        expression = pp.infix_notation(number, [('*', 2, pp.OpAssoc.LEFT, left), ('+', 2, pp.OpAssoc.LEFT, left)])
        [expression.parse_string(text, parse_all=True)[0] for text in ('2+3*4', '(2+3)*4', '1+2+3')]
        """, [14, 20, 6]),
    pure("interface-meta", """
        from interface_meta import InterfaceMeta, override
        class Shape(metaclass=InterfaceMeta):
            INTERFACE_RAISE_ON_VIOLATION = True
            def area(self, unit):
                "In units."
        class Square(Shape):
            @override
            def area(self, unit):
                return 4
        try:
            class Odd(Shape):
                @override
                def area(self):
                    return 1
        except RuntimeError as error:
            said = str(error)
        [Square().area('m'), said]
        """, [4, "Signature `Odd.area(self)` does not conform to interface `Shape.area(self, unit)`."]),
    pure("cycler", "from cycler import cycler\n"
         "list(cycler(c=['r', 'g']) * cycler(w=[1, 2]))",
         [{"c": "r", "w": 1}, {"c": "r", "w": 2}, {"c": "g", "w": 1}, {"c": "g", "w": 2}]),
    native("kiwisolver", """
        from kiwisolver import Solver, Variable
        left, right, middle = Variable('l'), Variable('r'), Variable('m')
        solver = Solver()
        for constraint in (left == 2, right >= left + 10, middle * 2 == left + right, (right <= 8) | 'weak'):
            solver.addConstraint(constraint)
        solver.updateVariables()
        [left.value(), right.value(), middle.value()]
        """, [2.0, 12.0, 7.0]),
    native("contourpy", """
        import numpy as np
        from contourpy import contour_generator
        # x^2 + y^2 = 1: one closed line, all of whose points lie nearly one away from the middle.
        x = np.linspace(-2, 2, 81)
        lines = contour_generator(x, x, x[:, None]**2 + x**2).lines(1.0)
        [len(lines), bool(abs(np.hypot(*lines[0].T) - 1).max() < 1e-3), bool((lines[0][0] == lines[0][-1]).all())]
        """, [1, True, True]),
]  # fmt: skip
