"""The dashboard in a real Chromium: dashboard.py URL PID SHOTS looks at the demo that PID serves at URL.

Four readers look at once (wide and narrow, light and dark) while the shop breaks: what is shown, that it is
live, that nothing overflows, that the keyboard reaches everything, that nothing is loaded from elsewhere, and
that it says so when the daemon is gone. Screenshots go to SHOTS. Ends with the daemon; any finding is an
AssertionError.
"""
import os
import re
import signal
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from browser import chromium, complaints

PATIENCE = 180_000
READERS = [(1280, 900, "light"), (390, 844, "dark"), (1280, 900, "dark"), (390, 844, "light")]

class Reader:
    """A browser window, and everything it complained of or asked for."""

    def __init__(self, browser, base, width, height, scheme, shots):
        self.base, self.shots = base, shots
        self.name = f"{width}-{scheme}"
        self.found, self.leaving = [], False
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="Europe/Berlin")
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda told: told.type in ("error", "warning") and self.note(f"console: {told.text}"))
        self.page.on("pageerror", lambda error: self.note(f"script: {error}"))
        self.page.on("request", lambda asked: asked.url.startswith(base) or self.note(f"asked elsewhere: {asked.url}"))
        self.page.on("response", lambda answer: answer.status >= 400 and self.note(f"{answer.status}: {answer.url}"))

    def note(self, text):
        if not self.leaving:
            self.found.append(text)

    def go(self, path):
        self.page.goto(self.base + path)
        self.page.locator("path.observed").first.wait_for(state="attached")

    def look(self, what):
        """What holds for every view; and a picture of it."""
        wrong = complaints(self.page)
        assert not wrong, f"{what} {self.name}: {wrong}"
        assert self.page.locator("h1").count() == 1, f"{what} {self.name}: one headline"
        self.page.screenshot(path=self.shots / f"{what}-{self.name}.png", full_page=True)


def is_live(reader):
    """Minutes come without anything being done, and the page is never loaded anew."""
    reader.page.evaluate("window.stayed = true")
    first = reader.page.locator(".readout").first.inner_text()
    reader.page.wait_for_function("(first) => document.querySelector('.readout').textContent !== first", arg=first)
    expect(reader.page.locator("#pulse")).to_have_class(re.compile("live"))
    assert reader.page.evaluate("window.stayed"), "the page was loaded anew"


def tells_the_alarm(reader):
    page = reader.page
    card = page.locator("article.card.loud").first
    card.wait_for()
    expect(page.locator("h1.headline.loud")).to_contain_text("Missing orders: 1 open alarm that pages")
    text = card.inner_text()
    for words in ["PAGE 1", "US / one-click: orders -", "since", "LOSING", "suspect", 'deploy "checkout v42"', "ebbd alarms show 1"]:
        assert words in text, f"{words} is not in {text}"
    assert page.title().startswith("▼ 1 open"), page.title()
    expect(page.locator("tr.drop", has_text="US / one-click")).to_have_count(1)
    expect(page.locator("tr.drop").first).to_contain_text("down")
    expect(page.locator("ol.marks")).to_contain_text("deploy checkout v42")
    expect(page.locator("path.week")).not_to_have_attribute("d", "")
    assert "balances" in page.locator("#main").inner_text()


def keyboard_reaches_everything(reader):
    page = reader.page
    wanted = set(page.evaluate("[...document.querySelectorAll('main a, main button, main input, main summary, main [tabindex=\"0\"]')].filter((n) => n.checkVisibility()).map((n) => n.dataset.key)"))
    assert None not in wanted and len(wanted) > 20, wanted
    page.locator("body").evaluate("() => document.activeElement.blur()")
    page.evaluate("window.scrollTo(0, 0)")
    reached, shown = set(), ""
    for _ in range(3 * len(wanted) + 30):
        page.keyboard.press("Tab")
        at = page.evaluate("""() => { const n = document.activeElement, s = getComputedStyle(n), b = n.getBoundingClientRect();
            return {key: n.dataset.key ?? '', seen: parseFloat(s.outlineWidth) > 0 && s.outlineStyle !== 'none', inside: b.bottom > 0 && b.top < innerHeight, what: n.outerHTML.slice(0, 80)} }""")
        if at["key"]:
            assert at["seen"] and at["inside"], f"the focus cannot be seen: {at}"
            reached.add(at["key"])
        shown = at["what"]
        if wanted <= reached:
            break
    assert wanted <= reached, f"the keyboard does not reach {wanted - reached}; it ended at {shown}"
    # The chart reads single minutes.
    page.locator("[data-chart]").first.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert re.search(r"\d\d:\d\d .*a minute", page.locator("#said").inner_text()), "the chart says nothing"
    page.keyboard.press("Escape")
    # A link goes, the headline has the focus, and back is back.
    page.locator('[data-key="alarm-1"]').first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/alarms/1")
    page.wait_for_function("document.activeElement.nodeName === 'H1'")
    page.locator("ol.story li").first.wait_for()
    page.go_back()
    page.locator("table.slices").first.wait_for()


def filters(reader):
    page = reader.page
    page.get_by_role("searchbox", name="Find a slice").fill("one-click")
    page.wait_for_function("[...document.querySelectorAll('tbody tr')].length > 1 && [...document.querySelectorAll('table.slices tbody th a')].every((n) => n.textContent.includes('one-click'))")
    page.get_by_role("link", name="US / one-click", exact=True).first.click()
    page.wait_for_url("**/slices?*")
    expect(page.locator("h1")).to_contain_text("US / one-click")
    page.get_by_role("button", name="6 h").click()
    expect(page.get_by_role("button", name="6 h")).to_have_attribute("aria-pressed", "true")
    page.locator("figure details summary").click()
    page.locator("table.figures tbody tr").first.wait_for()
    expect(page.locator("table.figures tbody tr").first).to_contain_text(re.compile(r"\d\d:\d\d"))
    cut = page.locator(".wide").first.evaluate("(node) => node.scrollWidth - node.clientWidth")
    assert cut <= 0, f"{reader.name}: {cut} px of the table of minutes are out of sight"


def missing_is_not_zero(reader):
    """Minutes without data and minutes that nobody knows are hatched, and no line is drawn through them."""
    told = reader.page.evaluate("""async () => {
      const {chart} = await import('/assets/chart.js');
      const at = (n) => new Date(1.7e12 + n * 60000).toISOString();
      const minute = (n, observed, completeness, verdict) => ({minute: at(n), observed, expected: 100, low: 80, high: 120, completeness, verdict});
      const minutes = [minute(0, 100, 1, 'ok'), minute(1, 100, 1, 'ok'), minute(2, null, 0, 'no_data'), minute(3, 100, .6, 'incomplete'), minute(7, 0, 1, 'drop'), minute(8, 0, 1, 'drop')];
      const made = chart('t:{"a":"b"}', {title: 't', from: at(0), to: at(10), minutes, marks: []}, 600, 200);
      document.body.append(made);
      const fills = [...made.querySelectorAll('rect.missing')].map((node) => node.getAttribute('fill'));
      const found = {fills, drawn: fills.every((fill) => made.querySelector(fill.slice(4, -1))), lines: made.querySelector('path.observed').getAttribute('d').split('M').length - 1, legend: made.querySelector('.legend').textContent, table: made.querySelector('tbody').textContent};
      made.remove();
      return found;
    }""")
    assert len(told["fills"]) == 3 and told["drawn"], told
    assert sum("absent" in fill for fill in told["fills"]) == 2 and sum("partial" in fill for fill in told["fills"]) == 1, told
    assert told["lines"] == 3, "the line breaks where minutes are missing"
    assert "no data (not zero)" in told["legend"] and "data incomplete" in told["legend"] and re.search(r"\d\d:\d\d to \d\d:\d\dno data", told["table"]), told


def main(base, pid, shots):
    shots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        readers = [Reader(browser, base, *window, shots) for window in READERS]
        for reader in readers:
            reader.go("/")
        for reader in readers:
            is_live(reader)
        for reader in readers:
            tells_the_alarm(reader)
        for reader in readers:
            reader.look("alarm-open")
        keyboard_reaches_everything(readers[0])
        for reader in readers:
            filters(reader)
            reader.look("slice")
            reader.go("/alarms/1")
            reader.page.locator("ol.story li").first.wait_for()
            reader.look("alarm")
        missing_is_not_zero(readers[0])
        for reader in readers:
            reader.go("/")
            reader.page.locator("h1.headline.good").wait_for()
            expect(reader.page.locator(".over")).to_contain_text("RESOLVED 1")
            reader.look("well")
            reader.leaving = True
        os.kill(pid, signal.SIGINT)
        for reader in readers:
            expect(reader.page.locator("#pulse")).to_contain_text("no word from ebbd", timeout=PATIENCE)
            expect(reader.page.locator("h1")).to_contain_text("No word from ebbd")
            reader.page.screenshot(path=shots / f"gone-{reader.name}.png")
        found = [f"{reader.name}: {found}" for reader in readers for found in reader.found]
        assert not found, "\n".join(found)
        print(f"Chromium {browser.version}: {len(readers)} readers")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
