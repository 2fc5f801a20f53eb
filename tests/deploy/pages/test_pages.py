import json
import urllib.error
import urllib.request

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

PAGES = ["/", "/transfers", "/transfers?state=failed", "/transfers?search=no+such+thing"]

# Text that can be seen, with the contrast to what is behind it (WCAG 2.2, 1.4.3). A text of 24 px, or of 18.66 px and
# bold, may have less.
CONTRASTS = r"""
(() => {
  const channels = colour => colour.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  let seen = 0;
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest('svg') || !element.getClientRects().length) continue;
    seen += 1;
    const style = getComputedStyle(element);
    const [a, b] = [light(channels(style.color)), light(behind(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) low.push(element.tagName + ': ' + element.textContent.slice(0, 40));
  }
  return {seen, low};
})()
"""

# What makes a page hard to use without seeing it.
FAULTS = r"""
(() => {
  const faults = [];
  const say = (selector, wrong, what) => document.querySelectorAll(selector).forEach(
    element => { if (wrong(element)) faults.push(what + ': ' + element.outerHTML.slice(0, 80)); });
  say('html', e => !e.lang, 'no language');
  say('input, select', e => !e.labels.length, 'no label');
  say('a, button, th, summary, caption, option', e => !e.textContent.trim(), 'no text');
  say('svg', e => e.getAttribute('aria-labelledby').split(' ').some(id => !document.getElementById(id)), 'no name');
  say('table', e => !e.caption, 'no caption');
  say('th', e => !e.scope, 'no scope');
  say('section', e => !document.getElementById(e.getAttribute('aria-labelledby')), 'no heading');
  say('time', e => isNaN(Date.parse(e.dateTime)), 'no time');
  say('[style]', e => e.tagName !== 'STYLE', 'a style of its own');
  say('nav', e => !e.ariaLabel, 'no name');
  for (const tag of ['h1', 'main', 'header', 'footer', 'title'])
    if (document.querySelectorAll(tag === 'title' ? 'head > title' : tag).length !== 1) faults.push('not one ' + tag);
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) faults.push('an id twice');
  const levels = [...document.querySelectorAll('h1, h2, h3')].map(e => Number(e.tagName[1]));
  if (levels.some((level, at) => level > (levels[at - 1] ?? 0) + 1)) faults.push('a heading is left out');
  return faults;
})()
"""


def test_the_pages_load_nothing_and_the_browser_complains_of_nothing(demo, browser):
    browser.complaints.clear()
    for page in PAGES:
        browser.open(demo + page)
        wanted = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
        assert [url for url in wanted if not url.startswith("data:")] == [demo + page]
        # The policy that forbids everything else allows the style sheet.
        assert browser.run("getComputedStyle(document.querySelector('header')).display") == "flex"
    assert browser.complaints == []


def test_the_policy_keeps_scripts_and_styles_out(demo, browser):
    """Were a text ever taken for markup, it would still do nothing."""
    browser.open(demo + "/transfers")
    browser.run(
        "document.body.insertAdjacentHTML('beforeend', '<p id=evil style=\"color:#123456\">x</p>');"
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=/-/healthy onerror=\"window.ran = 1\">')"
    )
    assert browser.run("new Promise(done => setTimeout(() => done(window.ran ?? 0), 300))") == 0
    assert browser.run("getComputedStyle(document.getElementById('evil')).color") != "rgb(18, 52, 86)"
    assert browser.complaints, "the violations are reported"
    browser.complaints.clear()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", PAGES)
def test_text_stands_out_in_light_and_dark(demo, browser, page, dark):
    browser.view(dark=dark)
    browser.open(demo + page)
    contrasts = browser.run(CONTRASTS)
    assert contrasts["seen"] > 15 and contrasts["low"] == []
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(15, 20, 25)") == dark, background


@pytest.mark.parametrize("page", PAGES)
def test_the_page_can_be_used_without_seeing_it(demo, browser, page):
    browser.view()
    browser.open(demo + page)
    assert browser.run(FAULTS) == []


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_wider_than_the_screen(demo, browser, page, width):
    browser.view(width=width, height=800)
    browser.open(demo + page)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("innerWidth") == width


@pytest.mark.parametrize("width", [390, 1280])
def test_tables_stay_tables_when_they_are_laid_out_as_cards(demo, browser, width):
    browser.view(width=width)
    browser.open(demo + "/transfers")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node["ignored"] and "role" in node]
    assert roles.count("table") == 4
    assert roles.count("columnheader") == 9 + 7 + 7 + 7
    assert roles.count("rowheader") > 10 and roles.count("cell") > 50


def test_the_filter_works_by_keyboard(demo, browser):
    browser.view()
    browser.open(demo + "/transfers")
    browser.key("Tab")
    assert browser.run("document.activeElement.textContent") == "Skip to the content"
    assert browser.run("document.activeElement.getBoundingClientRect().top") >= 0, "the skip link shows"
    for _ in range(8):
        browser.key("Tab")
        assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus shows"
        if browser.run("document.activeElement.id") == "search":
            break
    browser.type("GLOBEX")
    browser.key("Tab")
    assert browser.run("document.activeElement.id") == "state"
    browser.key("Tab")
    browser.events.clear()
    browser.key("Enter", text="\r")
    browser.until("Page.loadEventFired")
    address = browser.run("location.search")
    assert "search=GLOBEX" in address, address
    assert browser.run("document.getElementById('search').value") == "GLOBEX"
    names = browser.run("[...document.querySelectorAll('#connectors ~ table tbody tr th')].map(e => e.textContent)")
    assert len(names) == 1 and "globex" in names[0]


def test_the_next_page_is_another_one(demo, browser):
    browser.view()
    browser.open(demo + "/transfers?state=completed&limit=3")
    transfers = "[...document.querySelectorAll('#transfers ~ table tbody th')].map(e => e.textContent)"
    first = browser.run(transfers)
    browser.events.clear()
    browser.run("document.querySelector('a[rel=next]').click()")
    browser.until("Page.loadEventFired")
    second = browser.run(transfers)
    assert first and second and not set(first) & set(second)


def test_the_description_is_openapi(demo):
    with urllib.request.urlopen(f"{demo}/api/v1/openapi.json", timeout=30) as answer:
        description = json.load(answer)
    assert description["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(description).validate()
    del description["paths"]["/probe"]["get"]["responses"]
    description["paths"]["/probe"]["get"]["parameters"][0].pop("in")
    with pytest.raises(Exception, match="required property"):
        OpenAPIV31SpecValidator(description).validate()


def test_a_bad_parameter_is_said_in_the_page(demo, browser):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{demo}/transfers?limit=many", timeout=30)
    assert refused.value.code == 400
    page = refused.value.read().decode()
    assert "limit" in page and 'role="alert"' in page
