"""Stories of plans, things that turn, variants, styles and settings at the studio's page; some with a real pocket engine."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tests import web_kit
from tests.web_kit import Server, Visit, playwright, visiting

able, browser, server, visit = web_kit.able, web_kit.browser, web_kit.server, web_kit.visit
expect = playwright.expect


def test_a_thing_turns_under_the_hand_and_is_drawn_all_the_way_round(browser: Any, able: Server) -> None:
    with visiting(browser, able) as visit:
        visit.open("turn", ".turn-form")
        visit.page.get_by_role("button", name="Draw", exact=True).click()
        stage, degrees = visit.page.locator(".turn-stage"), visit.page.locator(".degrees")
        stage.locator("img").wait_for()
        visit.page.keyboard.press("ArrowRight")
        expect(degrees).to_have_text("30°")
        expect(stage.locator("img")).to_have_attribute("alt", "turn it 30 degrees to the right")
        first, second = able.get("/pictures?limit=2")["data"][::-1]
        assert second["parents"] == [first["id"]] and second["engine"] == "pocket" and second["action"] == "edited"
        visit.page.keyboard.press("ArrowLeft")
        expect(degrees).to_have_text("0°")
        box = stage.bounding_box()
        visit.page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 50)
        visit.page.mouse.down()
        visit.page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + 50, steps=4)
        expect(degrees).to_have_text("30°")
        visit.page.mouse.up()
        assert len(able.get("/pictures?limit=9")["data"]) == 2  # what was drawn is not drawn again
        visit.page.get_by_role("button", name="All the way round").click()
        expect(visit.page.locator(".turn-dots .there")).to_have_count(12, timeout=120_000)
        expect(visit.page.get_by_role("button", name="All the way round")).to_be_hidden()
        visit.page.reload()
        expect(visit.page.locator(".turn-dots .there")).to_have_count(12)
        visit.page.locator(".turn-stage").focus()
        for _ in range(12):
            visit.page.keyboard.press("ArrowRight")
        assert len(able.get("/pictures?limit=20")["data"]) == 12


def test_an_alley_is_walked_by_arrow_keys_and_back(browser: Any, able: Server) -> None:
    before = len(able.get("/pictures?limit=50")["data"])
    with visiting(browser, able) as visit:
        visit.open("turn/walk", ".turn-form")
        visit.page.get_by_role("button", name="Draw", exact=True).click()
        shown = visit.page.locator(".turn-stage img")
        shown.wait_for()
        for key, words in (("ArrowUp", "go forward"), ("ArrowRight", "turn right")):
            visit.page.keyboard.press(key)
            expect(shown).to_have_attribute("alt", words)
            expect(visit.page.locator(".turn-status")).to_have_text("")
        visit.page.keyboard.press("ArrowDown")
        expect(shown).to_have_attribute("alt", "go forward")
        assert len(able.get("/pictures?limit=50")["data"]) == before + 3


def test_a_plan_that_an_engine_takes_is_drawn_by_it(browser: Any, able: Server) -> None:
    """By the whole way of the pocket engine; untrained weights write no plan themselves and say so."""
    plan = "canvas 512x512 solid #f7d020\ndog flat 10 40 50 90"
    talk = able.post("/conversations", {})["id"]
    parts = [{"type": "text", "text": "a dog"}]
    turn = able.post(f"/conversations/{talk}/turns", {"parts": parts, "wish": {"engine_options": {"plan": plan}}})
    able.done(turn["job"]["id"])
    with visiting(browser, able) as visit:
        visit.open(f"talk/{talk}", "figure.drawn img")
        visit.page.locator(".thought summary").first.click()
        visit.page.get_by_role("group", name=re.compile("^dog, ")).focus()
        visit.page.keyboard.press("ArrowRight")
        visit.page.get_by_role("button", name="Draw this plan").click()
        expect(visit.page.locator(".forks")).to_contain_text("2 of 2")
        visit.drawn(1)
        newest, first = able.get(f"/pictures?conversation={talk}")["data"]
        assert not np.array_equal(able.pixels(newest["id"]), able.pixels(first["id"]))
        visit.page.get_by_role("button", name="Options").click()
        visit.page.get_by_label("Think first").check()
        visit.page.get_by_label("Show me the plan before drawing").check()
        visit.page.keyboard.press("Escape")
        visit.say("a cat")
        expect(visit.page.locator(".answer").last).to_contain_text("no plan could be made")


def test_variants_stand_side_by_side_and_one_is_opened(visit: Visit, server: Server) -> None:
    row = server.draw("a lighthouse", seed=11, style="line")
    visit.open(f"canvas/{row['id']}", ".strip a")
    visit.page.get_by_role("tab", name="Variants").click()
    visit.page.get_by_label("How many").select_option("3")
    visit.page.get_by_role("button", name="Draw variants").click()
    beside = visit.page.locator("dialog .beside li")
    expect(beside).to_have_count(3)
    rows = server.get(f"/pictures?conversation={row['conversation']}")["data"][:3]
    assert {(one["prompt"], one["settings"]["style"]) for one in rows} == {("a lighthouse", "line")}
    assert len({one["seed"] for one in rows} | {11}) == 4
    expect(beside.nth(1).locator("img")).to_be_visible()
    opened = beside.nth(1).locator("img").get_attribute("src").split("/pictures/")[1].split("/")[0]
    visit.page.get_by_role("button", name="Open number 2").click()
    visit.page.wait_for_url(lambda url: url.endswith(opened))
    expect(visit.page.locator(".strip li")).to_have_count(4)


def test_a_style_is_picked_by_its_thumbnail_and_the_picture_put_into_it(visit: Visit, server: Server) -> None:
    row = server.draw("a windmill", seed=12)
    visit.open(f"canvas/{row['id']}", ".strip a")
    visit.page.get_by_role("tab", name="Style").click()
    visit.page.get_by_role("button", name="Choose a style").click()
    styles = visit.page.locator("dialog .style")
    expect(styles.first).to_be_visible()
    assert styles.count() >= 50 and visit.page.locator("dialog .style:not([aria-disabled])").count() == 5
    visit.page.locator("dialog .style[aria-disabled]").first.click(force=True)
    expect(visit.page.locator("dialog")).to_be_visible()  # what the engine cannot do is not taken
    visit.page.get_by_label("Search styles").fill("sticker")
    expect(styles).to_have_count(1)
    styles.click()
    expect(visit.page.locator(".style-big .style-thumb")).to_be_visible()
    visit.page.get_by_role("button", name="Put it in this style").click()
    visit.page.wait_for_url(lambda url: row["id"] not in url)
    made = server.get(f"/pictures/{visit.talk}")
    assert made["settings"]["style"] == "twemoji" and made["parents"] == [row["id"]]


def test_settings_tell_what_fits_and_load_and_unload(visit: Visit, server: Server) -> None:
    ways = [
        {"way": "", "fits": False, "seconds": None, "why": "needs 30.3 GiB, 21.3 GiB are free"},
        {"way": "quantise=int8", "fits": True, "seconds": 61200.0, "why": "needs 18.2 GiB, 21.3 GiB are free"},
    ]
    visit.page.route("**/engines/bagel/fit", lambda route: route.fulfill(json={"data": ways}))  # the real one measures the machine
    visit.open("settings/engines", ".engine")
    bagel = visit.page.locator(".engine", has=visit.page.get_by_role("heading", name="bagel"))
    bagel.get_by_text("What fits on this machine").click()
    expect(bagel.locator(".note.good")).to_contain_text("Fits: quantise=int8 about 17 h")
    expect(bagel.locator("tbody tr")).to_have_count(2)
    card = visit.page.locator(".engine", has=visit.page.get_by_role("heading", name="fake"))
    expect(card.locator(".abilities li")).to_have_count(7)
    if not next(row["loaded"] for row in server.get("/engines")["data"] if row["name"] == "fake"):
        card.get_by_role("button", name="Load", exact=True).click()
    card.get_by_role("button", name="Unload").click()
    expect(card.get_by_role("button", name="Load", exact=True)).to_be_visible()
    visit.page.get_by_label("Colours").select_option("dark")
    expect(visit.page.locator("html")).to_have_attribute("data-theme", "dark")
    visit.page.locator(".clause summary").first.click()
    expect(visit.page.locator(".clause[open]")).to_contain_text("This is drawn")
    expect(visit.page.locator("#set-limits")).to_contain_text("Pictures at once")


def planned(visit: Visit, words: str) -> None:
    """Asks for a plan and waits for its boxes."""
    visit.page.get_by_role("button", name="Options").click()
    visit.page.get_by_label("Think first").check()
    visit.page.get_by_label("Show me the plan before drawing").check()
    visit.page.keyboard.press("Escape")
    visit.say(words)
    visit.page.locator(".plan-box").first.wait_for()
    expect(visit.page.locator(".working")).to_have_count(0)


def dragged(visit: Visit, name: str, across: float, down: float, grip: bool = False) -> None:
    """Drags a box, or its corner, with the mouse, by shares of the canvas."""
    board = visit.page.locator(".plan-board").bounding_box()
    box = visit.page.get_by_role("group", name=re.compile(f"^{name}, "))
    at = (box.locator(".plan-grip") if grip else box).bounding_box()
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    visit.page.mouse.move(x, y)
    visit.page.mouse.down()
    visit.page.mouse.move(x + across * board["width"], y + down * board["height"], steps=5)
    visit.page.mouse.up()


def test_the_boxes_of_a_plan_are_dragged_and_the_picture_follows(visit: Visit, server: Server) -> None:
    visit.open()
    planned(visit, "a fox and a car")
    assert server.get(f"/pictures?conversation={visit.talk}")["data"] == []
    expect(visit.page.locator(".answer")).to_contain_text("The plan waits for you")
    plan = visit.page.locator(".plan-words")
    assert (plan.text_content() or "").splitlines() == ["canvas 256x256 solid #f4ede1", "fox fluent 5 30 45 70", "car fluent 55 30 95 70"]
    dragged(visit, "fox", 0.10, -0.25)
    dragged(visit, "car", -0.15, 0.20, grip=True)
    for key in ("ArrowLeft", "ArrowDown", "Shift+ArrowRight"):
        visit.page.keyboard.press(key)
    expect(plan).to_have_text(re.compile("fox fluent 15 5 55 45\ncar fluent 54 31 80 91"))
    visit.page.get_by_role("button", name="Draw this plan").click()
    visit.drawn(1)
    expect(visit.page.locator(".forks")).to_contain_text("2 of 2")
    row = server.get(f"/pictures?conversation={visit.talk}")["data"][0]
    pixels = server.pixels(row["id"]).astype(int)

    def filled(x0: int, y0: int, x1: int, y1: int) -> bool:
        """Whether a box of percents is of one colour, but for the seal's invisible mark, and the strip to its left is not."""
        part = [edge * 256 // 100 for edge in (x0, y0, x1, y1)]
        inside = pixels[part[1] + 2 : part[3] - 2, part[0] + 2 : part[2] - 2, :3]
        outside = pixels[part[1] + 2 : part[3] - 2, part[0] - 8 : part[0] - 2, :3]
        colour = np.median(inside, axis=(0, 1))
        return bool(np.abs(inside - colour).max() < 16 and np.abs(outside - colour).max() > 16)

    assert filled(15, 5, 55, 45) and filled(54, 31, 80, 91) and not filled(5, 30, 45, 70)
    visit.page.locator(".thought summary").first.click()
    expect(visit.page.get_by_role("group", name="car, at 54, 31, 80, 91 percent")).to_be_visible()


def test_a_box_of_a_plan_is_dragged_by_a_finger_taken_away_and_brought_back(browser: Any, server: Server) -> None:
    with visiting(browser, server, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844}) as visit:
        visit.open()
        planned(visit, "a fox and a car")
        fox = visit.page.get_by_role("group", name=re.compile("^fox, "))
        fox.scroll_into_view_if_needed()
        board, at = visit.page.locator(".plan-board").bounding_box(), fox.bounding_box()
        x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
        finger = visit.page.context.new_cdp_session(visit.page)
        finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for part in (0.5, 1.0):
            where = {"x": x + part * 0.2 * board["width"], "y": y - part * 0.2 * board["height"]}
            finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [where]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(visit.page.locator(".plan-words")).to_contain_text("fox fluent 25 10 65 50")
        visit.page.get_by_role("button", name="Remove “fox”").click()
        expect(visit.page.locator(".plan-box")).to_have_count(1)
        visit.page.get_by_role("button", name="Back to its plan").click()
        expect(visit.page.locator(".plan-words")).to_contain_text("fox fluent 5 30 45 70")
        visit.page.reload()
        expect(visit.page.locator(".plan-box")).to_have_count(2)
