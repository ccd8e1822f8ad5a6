import base64
import hashlib
import re

from pathopipe.reporting import pages
from pathopipe.reporting.slide_page import SlidePage


def digest(code: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() + "'"


def test_every_style_and_script_of_a_page_is_allowed_by_its_hash_and_nothing_else_is():
    rendered = pages.render("slide.html", ["cohort.js", "base.html"], ["cohort.html"], page=SlidePage("s1"), letters="")
    text = rendered.decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    names = {"style-src": ["style.css", "cohort.html"], "script-src": ["cohort.js", "base.html"]}
    for directive, files in names.items():
        assert allowed[directive].split(" ") == [digest(pages.source(file)) for file in files]
        for file in files:
            assert f"<{directive[:-4]}>{pages.source(file)}</{directive[:-4]}>" in text
