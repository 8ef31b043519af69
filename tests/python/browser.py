"""What holds for every page that ebbd makes, asked in a real Chromium: nothing is wider than the window, every text can
be read, everything that can be reached or looked at has a name.
"""
import os

# Elements that reach beyond the window; what scrolls by itself may.
WIDER = """() => {
  const over = document.documentElement.scrollWidth - innerWidth;
  return over <= 0 ? [] : [...document.querySelectorAll('main *')].filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && !node.closest('.wide')).map((node) => node.outerHTML.slice(0, 100)).slice(0, 5).concat(`${over} px`);
}"""

# Text that can hardly be read: its contrast against what is really behind it is below 4.5 (3 if large).
FAINT = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (css) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = (node) => { for (let at = node; at; at = at.parentElement) { const c = rgba(getComputedStyle(at).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255, 255]; };
  // Letters that stand on a sign of their own.
  const sign = (node) => node.matches('.mark-no') ? document.querySelector('.mark-sign') : node.matches('.letter') ? node.previousElementSibling : null;
  const faint = [];
  for (const node of document.querySelectorAll('body *')) {
    const said = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!said || !node.checkVisibility() || node.closest('.unseen, .skip, noscript, title')) continue;
    const style = getComputedStyle(node);
    if (style.visibility === 'hidden') continue;
    const ink = node.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const paper = sign(node) ? rgba(getComputedStyle(sign(node)).fill) : behind(node);
    const [a, b] = [light(rgba(ink)), light(paper)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05), size = parseFloat(style.fontSize), bold = style.fontWeight >= 700;
    if (ratio < (size >= 24 || (bold && size >= 18.6) ? 3 : 4.5)) faint.push(`${node.nodeName}.${node.className.baseVal ?? node.className} "${node.textContent.slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  return faint;
}"""

# What can be reached must say what it is, and everything that looks like a control must be reachable.
NAMELESS = """() => [...document.querySelectorAll('a, button, input, summary, meter, [tabindex="0"], svg:not([aria-hidden])')]
  .filter((node) => !(node.getAttribute('aria-label') ?? node.textContent).trim() && !document.querySelector(`label[for="${node.id || '-'}"]`))
  .map((node) => node.outerHTML.slice(0, 100))"""

CHECKS = {"wider than the window": WIDER, "hard to read": FAINT, "without a name": NAMELESS}


def chromium(playwright):
    """The system's own, or the one that CHROMIUM names."""
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


def complaints(page):
    """What is wrong with the page as it is shown, by check."""
    found = {name: page.evaluate(check) for name, check in CHECKS.items()}
    return {name: wrong for name, wrong in found.items() if wrong}
