import html
import ipaddress
import uuid
from html.parser import HTMLParser
from urllib.parse import parse_qs, quote, unquote, urlencode, urljoin, urlsplit

PAGE = """
<html><head><title>Fish &amp; Chips</title></head><body>
<h1>Menu</h1><p>See <a href="/menu?day=fri&amp;size=2">Friday</a>, <a href="https://example.org/about#us">us</a>
and <A HREF='mailto:cook@example.org'>the cook</A>.</p>
<table><tr><th>dish</th><th>price</th></tr><tr><td>cod</td><td>9.50</td></tr><tr><td>chips</td><td>3.20</td></tr></table>
<script>var a = "<td>not a cell</td>";</script><img src="fish.png" alt="a fish">
</body></html>
"""


class Collector(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.rows, self.title, self.open = [], [], "", []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "a":
            self.links.append(dict(attributes)["href"])
        elif tag == "tr":
            self.rows.append([])
        if tag == "img":
            self.open.pop()

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        if inside == "title":
            self.title += data
        elif inside in ("td", "th"):
            self.rows[-1].append(data.strip())


page = Collector()
page.feed(PAGE)
print(page.title, page.rows)
for link in page.links:
    full = urljoin("https://shop.example.com/start/index.html", link)
    parts = urlsplit(full)
    print(parts.scheme, parts.hostname, parts.path, parse_qs(parts.query), parts.fragment)
query = urlencode({"q": "fish & chips", "tag": ["a", "b"], "page": 2}, doseq=True)
print(query, parse_qs(query)["q"])
print(quote("Größe 1/2"), unquote("%E2%82%AC%20100"), html.escape("<a href='x'>"), html.unescape("&lt;&eacute;&#x41;"))
print(uuid.uuid5(uuid.NAMESPACE_URL, "https://example.org/"))
network = ipaddress.ip_network("192.168.4.0/22")
print(network.num_addresses, ipaddress.ip_address("192.168.7.9") in network, ipaddress.ip_address("::1").is_loopback)
