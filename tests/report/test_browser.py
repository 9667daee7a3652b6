"""The page in a real browser: no error, no request, no sideways scrolling, a filter that works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditor.audit import Audit
from auditor.report import Options, render
from tests.report.hostile import hostile

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_api.sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield b
        b.close()


def opened(browser: Any, path: Path, text: str, width: int, scheme: str) -> tuple[Any, list[str]]:
    """The page, and what a person would call trouble: console messages, errors, requests."""
    path.write_text(text, encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    trouble: list[str] = []
    page.on("console", lambda m: trouble.append(f"console: {m.text}"))
    page.on("pageerror", lambda e: trouble.append(f"error: {e}"))
    page.on("dialog", lambda d: trouble.append(f"dialog: {d.message}"))
    page.on("request", lambda r: trouble.append(f"request: {r.url}") if r.url != path.as_uri() else None)
    page.goto(path.as_uri())
    return page, trouble


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1440])
@pytest.mark.parametrize("kind", ["one", "several", "hostile"])
def test_quiet_and_never_wider_than_the_screen(
    browser: Any, tmp_path: Path, several: tuple[Audit, ...], kind: str, width: int, scheme: str
) -> None:
    audits = {"one": several[:1], "several": several, "hostile": (hostile(),)}[kind]
    text = render("html", audits, Options(repo_url="https://github.com/openai/parameter-golf", previous=several[:1]))
    page, trouble = opened(browser, tmp_path / "audit.html", text, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    overlaps = page.evaluate(
        """() => [...document.querySelectorAll('svg')].flatMap(s => {
            const t = [...s.querySelectorAll(':scope > text')].map(e => e.getBoundingClientRect());
            return t.flatMap((a, i) => t.slice(i + 1).filter(b =>
                a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4)).map(b => b.left);
        })"""
    )
    assert kind == "hostile" or overlaps == [], "labels of a picture must not run into each other"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(246, 246, 243)", "dark": "rgb(19, 22, 26)"}[scheme]
    assert trouble == []
    page.close()


def test_filter_without_a_script(browser: Any, tmp_path: Path, full: Audit) -> None:
    page, trouble = opened(browser, tmp_path / "audit.html", render("html", [full]), 800, "light")
    cards = page.locator(".card")
    assert cards.count() == 5
    page.get_by_text("2 likely", exact=True).last.click()
    assert [cards.nth(i).is_visible() for i in range(5)] == [False, True, True, False, False]
    page.keyboard.press("ArrowRight")
    assert [cards.nth(i).is_visible() for i in range(5)] == [False, False, False, True, False]
    page.get_by_text("all 5").click()
    assert all(cards.nth(i).is_visible() for i in range(5))
    assert trouble == []
    page.close()
