"""Stories of bad luck and bad manners at the studio's page: lost connections, odd files, odd words, two tabs, a browser that forbids."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import web_kit
from tests.web_kit import Server, Visit, playwright, visiting

browser, server, visit = web_kit.browser, web_kit.server, web_kit.visit
expect = playwright.expect


def forgive(visit: Visit) -> None:
    """The browser itself notes answers of refusal and calls that failed; everything else must still be clean."""
    visit.said[:] = [line for line in visit.said if not re.search(r"Failed to load resource|ERR_", line)]


def said(server: Server, talk: str) -> list[str]:
    """What the person said in a conversation."""
    turns = server.get(f"/conversations/{talk}")["tree"]
    return [part["text"] for turn in turns if turn["role"] == "user" for part in turn["parts"] if part["type"] == "text"]


def test_two_tabs_at_one_conversation_show_the_same(visit: Visit, server: Server) -> None:
    visit.open()
    visit.say("a kettle")
    visit.drawn(1)
    other = Visit(visit.page.context.new_page(), server, visit.said)
    other.open(f"talk/{visit.talk}", "figure.drawn img")
    visit.say("make it copper")
    other.drawn(2)
    other.say("make it steam")
    visit.drawn(3)
    visit.page.locator(".talk.current").hover()
    visit.page.locator(".talk.current > button").click()
    visit.page.get_by_role("menuitem", name="Delete").click()
    visit.page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(other.page.locator(".toast")).to_contain_text("This conversation was deleted.")
    expect(other.page.locator(".example").first).to_be_visible()
    forgive(visit)


def test_words_that_are_too_many_stay_in_the_line_and_odd_ones_come_through(visit: Visit, server: Server) -> None:
    visit.open()
    visit.page.locator("#prompt").fill("fox " * 1250)
    expect(visit.page.locator(".composer-note")).to_contain_text("5000 characters: this engine reads 4000 at most.")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator(".toast")).to_contain_text("4,000")
    assert len(visit.page.locator("#prompt").input_value()) == 5000
    visit.page.locator(".toast").get_by_role("button", name="Close").click()
    odd = "🦊🚗 ثعلب أحمر بجانب سيارة زرقاء <b>&amp;</b> \u202e{}"
    visit.say(odd)
    visit.drawn(1)
    expect(visit.page.locator(".bubble p")).to_have_text(odd)
    assert said(server, visit.talk)[-1] == odd
    right = visit.page.locator(".bubble p").evaluate("one => getComputedStyle(one).direction")
    visit.say("سيارة زرقاء")
    visit.drawn(2)
    last = visit.page.locator(".bubble p").last.evaluate("one => getComputedStyle(one).direction")
    assert (right, last) == ("rtl", "rtl")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 1280
    forgive(visit)


def test_large_pictures_are_taken_and_what_is_no_picture_is_refused_in_words(visit: Visit, tmp_path: Path) -> None:
    large = io.BytesIO()
    Image.linear_gradient("L").resize((5200, 3800)).convert("RGB").save(large, "JPEG", quality=60)  # 19.8 megapixels
    visit.open()
    files = [("big.jpg", "image/jpeg", large.getvalue()), ("notes.png", "image/png", b"only words\n"), ("none.png", "image/png", b"")]
    with visit.page.expect_file_chooser() as chooser:
        visit.page.get_by_role("button", name="Add pictures").click()
    chooser.value.set_files([{"name": name, "mimeType": kind, "buffer": data} for name, kind, data in files])
    expect(visit.page.locator(".shelf li")).to_have_count(1)
    expect(visit.page.locator(".toast")).to_have_count(2)
    expect(visit.page.locator(".toast").first).to_contain_text("“notes.png” was not taken")
    expect(visit.page.locator(".toast").first).to_contain_text("is not a png, webp or jpeg")
    drop = "const t = new DataTransfer(); t.items.add(new File(['x'], 'letter.txt', { type: 'text/plain' })); return t;"
    handle = visit.page.evaluate_handle(f"() => {{ {drop} }}")
    visit.page.dispatch_event(".talk-view", "drop", {"dataTransfer": handle})
    expect(visit.page.locator(".toast").last).to_contain_text("“letter.txt” is not a picture")
    assert visit.page.locator(".shelf img").evaluate("one => one.decode().then(() => one.naturalWidth)") == 5200
    forgive(visit)


def test_a_message_waits_for_its_pictures(visit: Visit, server: Server) -> None:
    """Enter while a picture is on its way is not forgotten; a change of mind is."""
    held: list[Any] = []
    visit.page.route("**/pictures", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    visit.open()
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), (60, 120, 220)).save(picture, "PNG")
    note, go = visit.page.locator("#prompt-note"), visit.page.locator("button.go")
    for k in range(2):
        with visit.page.expect_file_chooser() as chooser:
            visit.page.get_by_role("button", name="Add pictures").click()
        chooser.value.set_files([{"name": "sky.png", "mimeType": "image/png", "buffer": picture.getvalue()}])
        expect(visit.page.locator(".shelf .coming")).to_contain_text("“sky.png” is on its way…")
        visit.say("a barrel under it")
        expect(note).to_have_text("It goes as soon as the pictures are here.")
        expect(go).to_be_disabled()
        if k == 0:
            visit.page.keyboard.type(" ...")
            expect(note).not_to_have_text("It goes as soon as the pictures are here.")
        held.pop().continue_()
        if k == 0:
            expect(visit.page.locator(".shelf li:not(.coming)")).to_have_count(1)
            expect(visit.page.locator(".said-pictures")).to_have_count(0)
            visit.page.get_by_role("button", name="Take picture 1 out").click()
    visit.drawn(1)
    expect(visit.page.locator(".said-pictures img")).to_have_count(1)
    expect(visit.page.locator("#prompt")).to_have_value("")
    forgive(visit)


def test_without_a_connection_words_are_kept_and_sent_once(visit: Visit, server: Server) -> None:
    visit.open()
    visit.say("a first barrel")
    visit.drawn(1)
    visit.page.context.set_offline(True)
    expect(visit.page.locator(".offline")).to_be_visible()
    visit.say("a second barrel")
    expect(visit.page.locator(".toast")).to_contain_text("The server could not be reached")
    expect(visit.page.locator("#prompt")).to_have_value("a second barrel")
    visit.page.keyboard.press("Alt+2")
    expect(visit.page.locator("main")).to_contain_text(re.compile("Try again|pictures"))
    visit.page.go_back()
    visit.page.context.set_offline(False)
    expect(visit.page.locator(".offline")).to_have_count(0)
    visit.page.reload()
    expect(visit.page.locator("#prompt")).to_have_value("a second barrel")
    visit.page.locator("#prompt").press("Enter")
    visit.drawn(2)
    assert said(server, visit.talk) == ["a first barrel", "a second barrel"]
    forgive(visit)


def test_the_canvas_takes_nothing_while_the_next_picture_loads(visit: Visit, server: Server) -> None:
    """What was set then would be lost, or meant the picture before."""
    first, second = server.draw("a jug", seed=2), server.draw("a bowl", seed=3)
    held: list[Any] = []
    visit.page.route(f"**/pictures/{second['id']}", lambda route: held.append(route))
    visit.open(f"canvas/{first['id']}", ".surface canvas")
    tab = visit.page.get_by_role("tab", name="Recolour")
    expect(tab).to_be_visible()
    visit.page.evaluate("id => { location.hash = `#/canvas/${id}`; }", second["id"])
    expect(visit.page.locator(".table-panel")).to_have_js_property("inert", True)
    with pytest.raises(playwright.TimeoutError):
        tab.click(timeout=400)
    held.pop().continue_()
    expect(visit.page.locator(".table-panel")).to_have_js_property("inert", False)
    tab.click()
    expect(visit.page.get_by_role("textbox", name="becomes").first).to_be_visible()


def test_an_answer_that_got_lost_is_not_drawn_twice(visit: Visit, server: Server) -> None:
    visit.open()
    lost = []

    def losing(route: Any) -> None:
        if route.request.method != "POST" or lost:
            route.continue_()
            return
        lost.append(route.fetch().status)  # the server has it; the page never hears so
        route.abort()

    visit.page.route("**/turns", losing)
    visit.say("a parcel")
    expect(visit.page.locator(".toast")).to_be_visible()
    visit.page.locator(".toast").get_by_role("button", name="Try again").click()
    visit.drawn(1)
    assert lost == [200] and said(server, visit.talk) == ["a parcel"]
    forgive(visit)


def test_a_slow_connection_shows_at_once_that_something_comes(browser: Any, server: Server) -> None:
    with visiting(browser, server) as visit:
        line = visit.page.context.new_cdp_session(visit.page)
        line.send("Network.enable")
        slow = {"offline": False, "latency": 150, "downloadThroughput": 40_000, "uploadThroughput": 20_000}
        line.send("Network.emulateNetworkConditions", slow)
        visit.page.goto(server.root, wait_until="commit")
        expect(visit.page.locator(".boot img")).to_be_visible()
        visit.page.locator(".example").first.wait_for()
        visit.say("a snail")
        visit.drawn(1)


def test_back_and_forward_lead_where_they_should_and_close_what_was_open(visit: Visit, server: Server) -> None:
    row = server.draw("a compass", seed=1)
    visit.open("gallery", ".tile")
    visit.open(f"talk/{row['conversation']}", "figure.drawn img")
    visit.page.locator("figure.drawn a").click()
    visit.page.locator(".strip a").first.wait_for()
    visit.page.get_by_role("tab", name="Style").click()
    visit.page.get_by_role("button", name="Choose a style").click()
    visit.page.locator("dialog .style").first.wait_for()
    visit.page.go_back()
    visit.page.locator("figure.drawn img").wait_for()
    expect(visit.page.locator("dialog")).to_have_count(0)
    visit.page.go_back()
    visit.page.locator(".tile").first.wait_for()
    visit.page.go_forward()
    visit.page.go_forward()
    visit.page.locator(".strip a").first.wait_for()
    visit.open("talk/conv_nobody", ".example")
    visit.open("canvas/ig_nobody", ".empty")
    expect(visit.page.locator(".empty")).to_contain_text("was found")
    visit.open("no-such-place", ".example")
    forgive(visit)


@pytest.mark.parametrize("size", [(640, 400), (320, 480)])
def test_at_two_hundred_percent_everything_is_still_within_reach(browser: Any, server: Server, size: tuple[int, int]) -> None:
    row = server.draw("a bell", seed=1)
    with visiting(browser, server, viewport={"width": size[0], "height": size[1]}) as visit:
        for place, ready in (
            ("talk/new", ".example"),
            (f"talk/{row['conversation']}", "figure.drawn img"),
            (f"canvas/{row['id']}", ".strip a"),
            ("gallery", ".tile"),
            ("arena", "form"),
            ("settings", ".clause"),
        ):
            visit.open(place, ready)
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= size[0], place
            if place.startswith("talk"):
                visit.page.locator("#prompt").fill("a bell")
                go = visit.page.locator("button.go").bounding_box()
                assert go["x"] + go["width"] <= size[0] and go["y"] + go["height"] <= size[1], place
        visit.page.get_by_label("Colours").select_option("light")


def test_a_browser_that_forbids_to_remember_still_draws(browser: Any, server: Server) -> None:
    with visiting(browser, server) as visit:
        visit.page.add_init_script(
            """for (const name of ['localStorage', 'sessionStorage']) {
                Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError'); } });
            }
            delete Crypto.prototype.randomUUID;
            Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined });"""
        )
        visit.open()
        visit.say("a secret")
        visit.drawn(1)
        visit.page.locator(".turn").hover()
        visit.page.get_by_role("button", name="More", exact=True).first.click()
        visit.page.get_by_role("menuitem", name="Copy the words").click()
        expect(visit.page.locator(".toast")).to_contain_text("the browser allows it only on this machine")
        visit.open("settings", ".clause")
        visit.page.get_by_label("Colours").select_option("dark")
        expect(visit.page.locator("html")).to_have_attribute("data-theme", "dark")
