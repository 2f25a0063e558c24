"""Draws the page of `tl-keras serve` with an image on it, for the documentation.

    python scripts/draw_serve.py saved_models/demo IMAGE docs/serve.png

Needs Chromium (Debian's package `chromium`), and `runs/demo` for the Grad-CAM picture.
"""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

WINDOW = {"width": 1000, "height": 700}
FLAGS = ["--no-sandbox", "--disable-gpu"]
# In milliseconds: the first picture takes as long as building the network.
PATIENCE = 300_000
COLOURS = 255


def main() -> None:
    """Serves the export, shows the image, and writes the picture."""
    export, image, out = sys.argv[1:]
    command = [sys.executable, "-m", "tl_keras.cli", "serve", export, "--port", "0"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        try:
            address = re.search(r"http://\S+", server.stdout.readline())[0]
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=FLAGS
            )
            content = _shown(browser.new_page(viewport=WINDOW), address, image)
            browser.close()
        finally:
            server.terminate()
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture.quantize(COLOURS).save(out, optimize=True)
    print(f"{out}: {Path(out).stat().st_size / 1000:.0f} KB")


def _shown(page: Page, address: str, image: str) -> bytes:
    """Returns a screenshot of the page with an image, its label and its heat map."""
    page.goto(address)
    page.wait_for_selector("#names li")
    page.set_input_files("#file", image)
    page.wait_for_selector("#heat:not([hidden])", timeout=PATIENCE)
    page.evaluate("document.activeElement.blur()")
    return page.screenshot(full_page=True)


if __name__ == "__main__":
    main()
