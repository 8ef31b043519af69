"""An incident report in a real Chromium: report.py PAGE SHOTS.

Four readers (wide and narrow, light and dark) and a sheet of paper look at it: nothing is wider than the window,
nothing is asked for, nothing complains, texts can be read and lie within their charts, every picture and control
has a name, without a script, with everything folded in opened, too. Screenshots go to SHOTS. Any finding is an
AssertionError.
"""
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

READERS = [(1280, "light", "screen"), (1280, "dark", "screen"), (390, "light", "screen"), (390, "dark", "screen"), (794, "dark", "print")]

# Elements that reach beyond the window.
WIDER = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll('main *')].filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
    .map((node) => node.outerHTML.slice(0, 100)).slice(0, 5).concat(`${document.documentElement.scrollWidth} px`)"""

# Texts of a chart that lie outside it, or over one another.
OUTSIDE = """() => [...document.querySelectorAll('svg[role="img"]')].filter((svg) => svg.checkVisibility()).flatMap((svg) => {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map((node) => ({said: node.textContent, box: node.getBoundingClientRect()}));
  const out = texts.filter(({box}) => box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  const over = texts.filter((a, at) => texts.slice(at + 1).some((b) => a.box.left < b.box.right - 1 && b.box.left < a.box.right - 1 && a.box.top < b.box.bottom - 3 && b.box.top < a.box.bottom - 3));
  return [...out.map((t) => `outside: ${t.said}`), ...over.map((t) => `over another: ${t.said}`)];
})"""

# Text whose contrast against what is behind it is below 4.5.
FAINT = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (css) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = (node) => { for (let at = node; at; at = at.parentElement) { const c = rgba(getComputedStyle(at).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255, 255]; };
  const faint = [];
  for (const node of document.querySelectorAll('main *')) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) || !node.checkVisibility() || node.nodeName === 'title') continue;
    const style = getComputedStyle(node), drawn = node.namespaceURI.endsWith('svg');
    const paper = node.matches('.letter') ? rgba(getComputedStyle(node.previousElementSibling).fill) : behind(node);
    const [a, b] = [light(rgba(drawn ? style.fill : style.color)), light(paper)].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) faint.push(`${node.nodeName} "${node.textContent.slice(0, 30)}" ${((a + .05) / (b + .05)).toFixed(2)}`);
  }
  return faint;
}"""

NAMELESS = """() => [...document.querySelectorAll('summary, meter, [tabindex="0"], svg:not([aria-hidden])')]
  .filter((node) => !(node.getAttribute('aria-label') ?? node.textContent).trim()).map((node) => node.outerHTML.slice(0, 100))"""

CHECKS = [("wider than the window", WIDER), ("in a chart", OUTSIDE), ("hard to read", FAINT), ("without a name", NAMELESS)]


def look(page, what):
    for name, check in CHECKS:
        wrong = page.evaluate(check)
        assert not wrong, f"{what}: {name}: {wrong}"


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
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
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
