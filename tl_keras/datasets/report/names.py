"""Names of files and classes, which anybody may have given, as a person may read them.

A name can hold a line break, a terminal's control sequence, a mark that turns the
writing direction around, or bytes that are no text at all.
"""

import unicodedata

# Control and format characters, halves of pairs, unassigned; line and paragraph ends.
HIDDEN = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
# Joins emoji into one; by itself it does nothing.
JOINER = "\u200d"


def visible(name: str) -> str:
    r"""Returns a name with everything in it to be seen, on one line.

    Args:
        name: Any text, also one with bytes that are not Unicode.

    Returns:
        The same text where it is plain; otherwise with `\n`, `\x1b`, `\u202e`, … in
        the place of what a screen would obey or hide.
    """
    if name.isprintable():
        return name
    return "".join(_shown(character) for character in name)


def _shown(character: str) -> str:
    """Returns a character, or its escape where it is not to be seen."""
    hidden = unicodedata.category(character) in HIDDEN and character != JOINER
    return ascii(character)[1:-1] if hidden else character
