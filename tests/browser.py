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
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 812}


@contextlib.contextmanager
def running():
    """Starts the browser, and ends it.

    Raises:
        FileNotFoundError: If there is none: a test must fail then, not skip.
    """
    program = shutil.which("chromium")
    if program is None:
        raise FileNotFoundError(
            "Tests of pages need the program `chromium` (Debian: apt install chromium)."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
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
