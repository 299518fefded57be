"""What the base image holds: standard modules that programs commonly import, imported already."""

from __future__ import annotations

from typing import Final

BASE_MODULES: Final = tuple(
    """
    __future__ _thread abc argparse array ast asyncio base64 bdb binascii bisect builtins bz2 calendar cmath cmd code
    codecs codeop collections collections.abc colorsys concurrent.futures configparser contextlib contextvars copy
    copyreg csv dataclasses datetime decimal difflib dis doctest email email.message email.mime.text
    email.parser email.utils encodings encodings.ascii encodings.idna encodings.latin_1 encodings.utf_16 encodings.utf_8
    enum errno faulthandler filecmp fileinput fnmatch fractions functools gc getopt getpass gettext glob graphlib
    gzip hashlib heapq hmac html html.entities html.parser http http.client http.cookies imaplib importlib importlib.abc
    importlib.metadata importlib.resources importlib.util inspect io ipaddress itertools json json.decoder json.encoder
    keyword linecache locale logging logging.handlers lzma marshal math mimetypes modulefinder netrc numbers opcode
    operator optparse os os.path pathlib pdb pickle pickletools pkgutil platform plistlib pprint profile pstats pyclbr
    pydoc queue quopri random re reprlib runpy sched secrets select selectors shelve shlex shutil signal site socket
    socketserver sqlite3 stat statistics string stringprep struct subprocess symtable sys sysconfig tabnanny tarfile
    tempfile textwrap threading time timeit token tokenize tomllib trace traceback tracemalloc types typing
    unicodedata unittest unittest.mock urllib urllib.error urllib.parse urllib.request uuid warnings wave weakref
    webbrowser xml xml.dom xml.dom.minidom xml.etree xml.etree.ElementTree xml.parsers.expat xml.sax xmlrpc
    zipapp zipfile zipimport zlib zoneinfo
    """.split()  # noqa: SIM905 - a list of a hundred and sixty quoted names is no better to read
)
