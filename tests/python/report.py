"""An incident report in a real Chromium: report.py PAGE SHOTS.

Four readers (wide and narrow, light and dark) and a sheet of paper look at it: nothing is wider than the window,
nothing is asked for, nothing complains, texts can be read and lie within their charts, every picture and control
has a name, without a script, with everything folded in opened, too. Screenshots go to SHOTS. Any finding is an
AssertionError.
"""
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from browser import chromium, complaints

READERS = [(1280, "light", "screen"), (1280, "dark", "screen"), (390, "light", "screen"), (390, "dark", "screen"), (794, "dark", "print")]

# Texts of a chart that lie outside it, or over one another.
OUTSIDE = """() => [...document.querySelectorAll('svg[role="img"]')].filter((svg) => svg.checkVisibility()).flatMap((svg) => {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map((node) => ({said: node.textContent, box: node.getBoundingClientRect()}));
  const out = texts.filter(({box}) => box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  const over = texts.filter((a, at) => texts.slice(at + 1).some((b) => a.box.left < b.box.right - 1 && b.box.left < a.box.right - 1 && a.box.top < b.box.bottom - 3 && b.box.top < a.box.bottom - 3));
  return [...out.map((t) => `outside: ${t.said}`), ...over.map((t) => `over another: ${t.said}`)];
})"""

def look(page, what):
    wrong = {**complaints(page), "in a chart": page.evaluate(OUTSIDE)}
    assert not any(wrong.values()), f"{what}: {wrong}"


def read(browser, path, shots, width, scheme, media):
    what = f"{width}-{scheme}-{media}"
    found = []
    # The page has to be readable without scripts; looking at it takes them, so its own policy is left aside.
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.on("console", lambda told: found.append(f"console: {told.text}"))
    page.on("pageerror", lambda error: found.append(f"script: {error}"))
    page.on("request", lambda asked: asked.url.startswith("file://") and asked.url.endswith(path.name) or found.append(f"asked for {asked.url}"))
    page.goto(path.as_uri())
    if media == "print":
        page.emulate_media(media="print", color_scheme=scheme)
    assert page.locator("h1").count() == 1 and page.locator("script").count() == 0
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark" and media == "screen"), f"{what}: the wrong colours"
    shown = page.locator('svg[role="img"]:visible').first
    assert shown.locator("path.observed").count() > 0 and shown.locator("path.loss").count() > 0, what
    look(page, what)
    page.screenshot(path=shots / f"{what}.png", full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    look(page, f"{what}, opened")
    # Whoever uses the keyboard alone opens and scrolls what is folded in.
    if media == "screen":
        page.locator("summary").first.focus()
        assert page.evaluate("document.activeElement.nodeName") == "SUMMARY"
    assert not found, f"{what}: {found}"
    context.close()


def main():
    path, shots = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    shots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = chromium(driver)
        for width, scheme, media in READERS:
            read(browser, path, shots, width, scheme, media)
        # With its policy in force the page is the same: nothing of it is refused.
        page = browser.new_page()
        refused = []
        page.on("console", lambda told: refused.append(told.text))
        page.goto(path.as_uri())
        assert not refused, refused
        browser.close()
    print(f"{len(READERS)} readers")


main()
