"""The finished book in a real browser: nothing breaks, nothing is fetched from elsewhere, everybody can read it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from browser import FAILED

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = [
    "index.html", "reading.html", "findings.html", "exhibits.html", "exhibits/table02.html", "exhibits/table08.html",
    "errata.html", "ssm.html", "methods.html", "methods/lora.html", "methods/sdlora.html", "glossary.html",
    "doctor.html", "api.html", "what-ran.html", "reproduce.html", "references.html", "runs.html", "runs/table08.html",
    f"cells/mamba-130m/{FAILED}.html", "cells/mamba-130m/lora@out_proj/dart/seed1.html",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_page_loads_without_an_error_and_without_the_network(visit, path):
    seen = visit(path)
    assert seen.page.locator("article h1").count() == 1
    assert seen.wrong == []


@pytest.mark.parametrize("width", [390, 820, 1400])
def test_no_page_is_wider_than_the_screen(visit, width):
    wide = {}
    page = visit("index.html", width).page
    for path in PAGES:
        page.goto(urljoin(page.url, f"/{path}"))
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            wide[path] = over
    assert wide == {}


SENTENCES_IN_PIECES = """() => [...document.querySelectorAll("article p, article li, article dd")]
  .filter((box) => getComputedStyle(box).display.includes("flex"))
  .filter((box) => box.children.length && [...box.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((box) => box.textContent.trim())"""
"""What lays words of a sentence out side by side with the names in it, as if each were a fact of its own."""


def test_sentences_flow(visit):
    page, broken = visit("index.html").page, {}
    for path in PAGES:
        page.goto(urljoin(page.url, f"/{path}"))
        if found := page.evaluate(SENTENCES_IN_PIECES):
            broken[path] = found
    assert broken == {}


def test_every_link_and_anchor_resolves(book):
    pages = {path: path.read_text(encoding="utf-8") for path in book.rglob("*.html")}
    anchors = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    broken = []
    for path, text in pages.items():
        for link in set(re.findall(r'<a [^>]*href="([^"]+)"', text)):
            if link.startswith(("http:", "https:", "mailto:")):
                continue
            address, anchor = urldefrag(link)
            target = (path.parent / unquote(address)).resolve() if address else path
            known = anchors.get(target, {anchor} if target.exists() else None)
            if known is None or (anchor and not anchor.startswith("?") and anchor not in known):
                broken.append((str(path.relative_to(book)), link))
    assert broken == []


def test_search_finds_a_method_by_name(visit):
    page = visit("search.html?q=bitfit").page
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li > a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert any("methods/bitfit.html" in link for link in found)
    assert not any("cells/" in link for link in found), "runs have a search of their own"


def test_search_of_runs_is_offered_and_filters(visit):
    page = visit("search.html?q=bitfit").page
    page.click(".search-runs a")
    page.wait_for_url("**/runs.html*")
    lines = page.locator("#runs tbody tr")
    shown = [line.inner_text() for line in lines.all() if line.is_visible()]
    assert 0 < len(shown) < lines.count() and all("bitfit" in line for line in shown)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_and_structure_suit_everybody(visit, scheme):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    ).Axe()
    # in the dark only colours differ
    rules = (
        {"runOnly": ["color-contrast"]}
        if scheme == "dark"
        else {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}
    )
    wrong = {}
    page = visit("index.html", scheme=scheme).page
    for path in PAGES[:: 2 if scheme == "dark" else 1]:
        page.goto(urljoin(page.url, f"/{path}"))
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        found = axe.run(page, options=rules).response["violations"]
        serious = [
            (rule["id"], node["html"][:160], node["failureSummary"][:200])
            for rule in found
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"][:3]
        ]
        if serious:
            wrong[path] = serious
    assert wrong == {}


def test_pictures_say_what_they_show(book):
    for path in book.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for picture in re.findall(r"<svg [^>]*role=\"(?:img|group)\"[^>]*>", text):
            assert re.search(r'aria-label="[^"]{10,}"', picture), (path, picture[:120])
        for image in re.findall(r"<img [^>]*>", text):
            assert re.search(r'alt="[^"]+"', image), (path, image[:120])


def test_keyboard_reaches_menus_and_table_tools(visit):
    page = visit("exhibits/table08.html").page
    focus = "(document.activeElement.closest('nav, .tools, thead, .search-button-field') ?? {}).className"
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(focus))
    assert any("bd-links" in name for name in reached if name), reached
    assert any("tools" in name for name in reached if name), reached


def test_table_sorts_filters_and_goes_back(visit):
    page = visit("exhibits/table08.html").page
    names = "#table08 tbody tr:not(.group):visible th.method"
    printed = page.locator(names).all_inner_texts()
    page.locator("#table08 thead button", has_text="printed").last.click()
    scores = page.locator("#table08 tbody tr:not(.group) td.score:last-of-type").evaluate_all(
        "cells => cells.map(cell => Number(cell.dataset.printed))"
    )
    assert scores == sorted(scores, reverse=True)
    assert page.locator("#table08 tr.group:visible").count() == 0
    sorted_names = page.locator(names).all_inner_texts()
    assert len(set(sorted_names)) == len(sorted_names), "rows carry the names of their groups once these are gone"
    page.click(".tools [data-reset]")
    assert page.locator(names).all_inner_texts() == printed
    page.click(".tools [data-family=lora]")
    assert all("LoRA" in name for name in page.locator(names).all_inner_texts())
    page.click(".tools [data-family='']")
    page.fill(".tools input", "conv1d")
    assert all("conv1d" in name for name in page.locator(names).all_inner_texts())


@pytest.mark.parametrize("width", [390, 820, 1024, 1400])
@pytest.mark.parametrize("exhibit", ["table02", "table08"])
def test_a_table_keeps_its_heads_and_names_at_every_width(visit, exhibit, width):
    page = visit(f"exhibits/{exhibit}.html", width).page
    table = page.locator(f"#{exhibit}")
    assert all(head.is_visible() for head in table.locator("thead th button").all())
    name = table.locator("tbody tr:not(.group) th.method").last
    page.locator(".scroller").first.evaluate("box => box.scrollTo(9999, 0)")
    name.evaluate("node => node.scrollIntoView({block: 'end'})")
    head = table.locator("thead th.method").last
    assert head.bounding_box()["x"] >= 0 and name.bounding_box()["x"] >= 0, "names stay where columns are moved"
    on_top = """node => {
      const box = node.getBoundingClientRect();
      return node.contains(document.elementFromPoint(box.x + 4, box.bottom - 6));
    }"""
    assert head.evaluate(on_top), "heads stay in sight"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_white_with_dark_ink(visit, scheme):
    page = visit("exhibits/table08.html", scheme=scheme).page
    page.emulate_media(media="print")
    colours = page.evaluate(
        """["body", "#table08"].map((name) => getComputedStyle(document.querySelector(name)))
        .map((style, place) => place ? style.color : style.backgroundColor)"""
    )
    assert colours == ["rgb(255, 255, 255)", "rgb(27, 31, 37)"]


def test_the_landing_page_says_what_was_found_and_what_was_not_run(visit):
    page = visit("index.html", 1280).page
    said = page.locator("ul.answer").inner_text()
    assert "come out digit for digit" in said and "0 of the" in said and "Not run" in said
    box = page.locator("ul.answer").bounding_box()
    assert box["y"] + box["height"] <= 900, "the answer is on the first screen"


def test_answers_of_a_model_are_shown_as_text(visit):
    seen = visit("cells/mamba-130m/lora@out_proj/dart/seed1.html")
    assert "<script>alert" in seen.page.inner_text("article")
    assert seen.wrong == []


def test_book_works_from_a_folder(browser, book):
    page, wrong = browser.new_page(), []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(Path(book, "exhibits", "table08.html").as_uri())
    page.goto(Path(book, "search.html").as_uri() + "?q=lora")
    page.wait_for_selector("#search-results li a")
    assert wrong == []


@pytest.mark.parametrize(
    "asked, first",
    [
        ("Table 8", {"exhibits/table08.html"}),
        ("table 2", {"exhibits/table02.html"}),
        ("BLEU", {"exhibits/table08.html"}),
        ("METEOR", {"exhibits/table08.html"}),
        ("mamba-130m", {"exhibits/table02.html", "exhibits/table08.html"}),
        ("dart", {"exhibits/table08.html"}),
        ("prefix tuning", {"methods/prefix.html"}),
        ("Prompt-tuning", {"methods/prompt.html"}),
        ("sdlora", {"methods/sdlora.html"}),
        ("lora plus", {"methods/lora_plus.html"}),
        ("selective dimension tuning", {"methods/sdt.html"}),
    ],
)
def test_search_finds_first_what_is_called_so(visit, asked, first):
    page = visit(f"search.html?q={asked.replace(' ', '+')}").page
    page.wait_for_selector("#search-results li a")
    page.wait_for_function("!/Searching/.test(document.querySelector('#search-results h2')?.textContent ?? '')")
    links = page.locator("#search-results li > a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    found = [re.sub(r"[?#].*", "", link) for link in links]
    assert set(found[: len(first)]) == first
    assert found.count(found[0]) == 1, "by its name and by its text, but once"


BROKEN_NAMES = """() => [...document.querySelectorAll('article :not(pre) > code')].filter(code => code.offsetParent)
    .flatMap(code => {
        const walk = document.createTreeWalker(code, NodeFilter.SHOW_TEXT), broken = [];
        while (walk.nextNode()) for (const word of walk.currentNode.data.matchAll(/[\\w.=]+/g)) {
            const range = document.createRange();
            range.setStart(walk.currentNode, word.index);
            range.setEnd(walk.currentNode, word.index + word[0].length);
            const boxes = [...range.getClientRects()].filter(box => box.width);
            const width = boxes.reduce((sum, box) => sum + box.width, 0);
            if (new Set(boxes.map(box => Math.round(box.top))).size > 1 && width < 240) broken.push(word[0]);
        }
        return broken;
    })"""


@pytest.mark.parametrize("width", [390, 820, 1024, 1400])
def test_no_name_breaks_inside_a_word(visit, width):
    page = visit("index.html", width).page
    broken = {}
    for path in PAGES:
        page.goto(urljoin(page.url, f"/{path}"))
        if found := page.evaluate(BROKEN_NAMES):
            broken[path] = found
    assert broken == {}


@pytest.mark.parametrize("width", [390, 820, 1024, 1400])
def test_type_in_charts_can_be_read(visit, width):
    page = visit("exhibits/table08.html", width).page
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('svg.chart')].filter(chart => chart.getBoundingClientRect().width)
            .map(chart => {
                const scale = chart.getBoundingClientRect().width / chart.viewBox.baseVal.width;
                const texts = [...chart.querySelectorAll('text')];
                return Math.min(...texts.map(text => parseFloat(getComputedStyle(text).fontSize))) * scale;
            })"""
    )
    assert sizes and min(sizes) >= 10.2, sizes
