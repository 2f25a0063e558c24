"""Debian's Chromium, driven by Playwright, to look at pages that we write."""

import contextlib
import shutil

from playwright.sync_api import sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# Three dimensions, drawn by the processor.
DRAWING = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 812}


@contextlib.contextmanager
def running(more=()):
    """Starts the browser, and ends it.

    Args:
        more: Flags beside the usual ones, before which they count.

    Raises:
        FileNotFoundError: If there is none: a test must fail then, not skip.
    """
    program = shutil.which("chromium")
    if program is None:
        raise FileNotFoundError(
            "Tests of pages need the program `chromium` (Debian: apt install chromium)."
        )
    with sync_playwright() as playwright:
        # Without a graphics card three dimensions have to be asked for.
        flags = [*(flag for flag in FLAGS if not more or "gpu" not in flag), *more]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(browser, path, viewport=None, scheme="light"):
    """Opens a file in a window of its own.

    Args:
        browser: What `running` gives.
        path: The HTML file.
        viewport: `WIDE` or `PHONE`; `None` takes `WIDE`.
        scheme: `light` or `dark`.

    Yields:
        The page; its `requests` are the addresses it asked for, its `dialogs` the
        texts of what it popped up.
    """
    context = browser.new_context(viewport=viewport or WIDE, color_scheme=scheme)
    page = context.new_page()
    page.requests, page.dialogs = [], []
    page.on("request", lambda request: page.requests.append(request.url))

    def note(dialog):
        page.dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    page.goto(path.as_uri(), wait_until="load")
    try:
        yield page
    finally:
        context.close()


@contextlib.contextmanager
def confined(browser, address):
    """Opens a window that reaches nothing but one server.

    Args:
        browser: What `running` gives.
        address: The server's.

    Yields:
        The page; its `outside` are the other addresses that it asked for, in vain, its
        `dialogs` the texts of what it popped up.
    """
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    page.outside, page.dialogs = [], []

    def judge(route):
        if route.request.url.startswith((address, "data:", "blob:")):
            return route.continue_()
        page.outside.append(route.request.url)
        return route.abort()

    def note(dialog):
        page.dialogs.append(dialog.message)
        dialog.dismiss()

    context.route("**/*", judge)
    page.on("dialog", note)
    try:
        yield page
    finally:
        context.close()
