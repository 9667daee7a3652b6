"""No text of a submission becomes markup, a command, a mention or something unseen, in any format."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from jsonschema import Draft202012Validator

from auditor.report import FORMATS, Options, render
from auditor.report.json_ import schema
from tests.report.hostile import ALL, PAYLOADS, hostile

OPTIONS = Options(
    verbose=True,
    repo_url="https://github.com/openai/parameter-golf",
    dispute_url="https://d.example/new?t={rule}&f={folder}",
)
SGR = re.compile(r"\x1b\[[0-9;]*m")


class Page(HTMLParser):
    """Tags with their attributes, and the text outside code."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.prose: list[str] = []
        self.all_text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("code", "pre", "style"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.all_text.append(data)
        if not self.open:
            self.prose.append(data)


@pytest.mark.parametrize("name", list(FORMATS))
@pytest.mark.parametrize("color", [False, True])
def test_every_line_is_printable_and_no_command(name: str, color: bool) -> None:
    text = render(name, [hostile(), hostile()], Options(verbose=True, color=color, previous=(hostile(),)))
    if color:
        text = SGR.sub("", text)
    own = re.compile(r"::(error|warning|notice) (file=|title=)") if name == "github" else None
    text.encode("utf-8")
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)
        if own and own.match(line):
            continue
        assert not line.lstrip().startswith("::"), line
        assert "##[" not in line


@pytest.mark.parametrize("name", list(FORMATS))
def test_the_payload_is_still_shown(name: str) -> None:
    """Neutralised does not mean hidden: the reviewer sees that something was there."""
    text = render(name, [hostile()], Options(verbose=True))
    assert "202e" in text
    assert "evil" in text


def test_json_keeps_the_text_exactly() -> None:
    text = render("json", [hostile()], Options(keep_evidence=True))
    assert text.isascii()
    data = json.loads(text)
    Draft202012Validator(schema()).validate(data)
    assert [f["message"] for f in data["findings"][: len(PAYLOADS)]] == [p.replace("\ud800", "?") for p in PAYLOADS]


def test_sarif_addresses_are_relative_and_plain() -> None:
    (run,) = json.loads(render("sarif", [hostile()]))["runs"]
    places = [p for r in run["results"] for p in (*r["locations"], *r.get("relatedLocations", []))]
    for p in places:
        assert re.fullmatch(r"records/[A-Za-z0-9/._~%-]+", p["physicalLocation"]["artifactLocation"]["uri"])
        assert "/../" not in p["physicalLocation"]["artifactLocation"]["uri"]
    for text in [r["message"]["text"] for r in run["results"]]:
        assert "](" not in text
        assert not re.search(r"(?<!\{)\{\d", text)
        assert all(line.isprintable() for line in text.split("\n"))


def test_github_has_one_line_for_each_command() -> None:
    lines = render("github", [hostile()]).splitlines()
    assert all(
        re.match(r"(::(error|warning|notice) (file=[^:]+?,line=\d+,)?title=[^:]*::|scorefirst: )", x) for x in lines
    )
    assert sum(not x.startswith("::") for x in lines) == 1


def allowed_in_comment(tags: list[tuple[str, dict[str, str | None]]]) -> Iterator[str]:
    ours = {
        "h2",
        "h3",
        "p",
        "br",
        "sub",
        "strong",
        "code",
        "pre",
        "details",
        "summary",
        "ul",
        "li",
        "a",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    for tag, attributes in tags:
        if tag not in ours:
            yield f"tag {tag}"
        for name, value in attributes.items():
            good = name in ("align", "lang", "class") or (
                name == "href"
                and str(value).startswith(("https://github.com/openai/parameter-golf/blob/", "https://d.example/new?"))
            )
            if not good:
                yield f"{tag} {name}={value}"


def test_comment_as_github_renders_it() -> None:
    cmarkgfm = pytest.importorskip("cmarkgfm", reason="needs GitHub's Markdown parser, cmarkgfm")
    unsafe = cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE
    comment = render("md", [hostile()], OPTIONS)
    page = Page(cmarkgfm.github_flavored_markdown_to_html(comment, options=unsafe))
    assert list(allowed_in_comment(page.tags)) == []
    opened = [t for t, _ in page.tags]
    assert opened.count("details") == opened.count("summary") == comment.count("\n<details>") > 10
    prose = "".join(page.prose)
    assert not re.search(r"(?<![\w/])@[A-Za-z0-9]", prose), "a mention would notify somebody"
    assert not re.search(r"(?<!\w)#\d|\bGH-\d|\w#\d", prose), "an issue number would leave a trace there"
    assert not re.search(r"https?://|www\.\w", prose)
    assert not re.search(r":[a-z_]+:", prose)
    rows = {
        len(re.findall(r"<t[dh]", r))
        for r in re.findall(
            r"<tr>.*?</tr>", cmarkgfm.github_flavored_markdown_to_html(render("md", [hostile()]), options=unsafe), re.S
        )
    }
    assert rows <= {3, 4}, "a pipe must not open another column"


def test_page_has_only_our_tags() -> None:
    text = render("html", [hostile(), hostile()], OPTIONS)
    page = Page(text)
    ours = {"html", "head", "meta", "link", "title", "style", "body", "header", "main", "footer", "section", "article"}
    ours |= {"h1", "h2", "h3", "h4", "p", "span", "b", "i", "a", "br", "ul", "li", "div", "code", "details", "summary"}
    ours |= {"table", "tr", "th", "td", "figure", "figcaption", "fieldset", "legend", "input", "label"}
    ours |= {"svg", "desc", "line", "rect", "text", "tspan", "path", "circle"}
    assert {t for t, _ in page.tags} <= ours
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("style", "src", "srcset", "formaction", "action", "xlink:href")
            if name == "href":
                assert str(value) == "data:," or str(value).startswith(
                    ("#a", "https://github.com/openai/parameter-golf/blob/", "https://d.example/new?")
                )
            if name in ("class", "id", "for", "name") and tag != "meta":
                assert re.fullmatch(r"[\w -]+", str(value)), (tag, name, value)
    assert "<script" not in text
    assert "{{ 7*7 }}{% raw %}${7*7}" in "".join(page.all_text), "shown as it was written, not evaluated"
    assert html.escape("</script><script>alert(1)</script>") in text


def test_a_hostile_page_stays_small() -> None:
    assert len(render("html", [hostile()] * 5, OPTIONS).encode()) < 100_000
    assert len(ALL) > 500
