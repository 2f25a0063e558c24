"""The import floors and the size of files, held on the source itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tl_keras"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A module imports from lower floors, and from its own folder. See DESIGN's floors in
# the README's folder map.
FLOORS = (
    {
        "errors",
        "registry",
        "fields",
        "durations",
        "cores",
        "cluster",
        "sections",
        "config",
        "files",
        "locks",
        "progress",
        "state",
        "stopping",
    },
    {"datasets"},
    {"architectures"},
    {"backbones"},
    {"training"},
    {"evaluation", "export"},
    {"run"},
    {"preparation", "budget", "assessment", "explaining", "workspace"},
    {"reporting", "monitoring", "restoring"},
    {"launching"},
    {
        "arguments",
        "pipeline",
        "learning_rate",
        "summary",
        "listing",
        "inspection",
        "exports",
    },
    {"studies"},
    {"serving"},
    {"commands"},
    {"cli", "__init__", "__main__"},
)
# Within a floor of several modules, who may import whom.
NEIGHBOURS = {
    ("registry", "errors"),
    ("cluster", "errors"),
    ("config", "errors"),
    ("config", "durations"),
    ("config", "fields"),
    ("config", "sections"),
    ("durations", "fields"),
    ("sections", "fields"),
    ("fields", "errors"),
    ("fields", "registry"),
    ("files", "errors"),
    ("locks", "errors"),
    ("locks", "files"),
    ("state", "errors"),
    ("state", "files"),
    # The export is compared with what evaluation computes.
    ("export", "evaluation"),
}
NO_TENSORFLOW = sorted(FLOORS[0] | {"arguments", "cli", "__init__"})


def top(path):
    """Returns the name of a module's floor entry."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def floor(name):
    """Returns the number of the floor that a module or folder stands on."""
    return next(number for number, names in enumerate(FLOORS) if name in names)


def imported(path, everywhere=True):
    """Returns the modules that a file imports: everywhere, or when it is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.name))
def test_module_imports_only_lower_floors(path):
    own = top(path)
    for name in imported(path):
        if not name.startswith("tl_keras."):
            continue
        other = name.split(".")[1]
        allowed = own == other or (own, other) in NEIGHBOURS
        assert allowed or floor(other) < floor(own), f"{own} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.name))
def test_file_fits_in_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", NO_TENSORFLOW)
def test_module_does_not_import_tensorflow_when_it_is_loaded(name):
    names = imported(PACKAGE / f"{name}.py", everywhere=False)
    assert not {part.split(".")[0] for part in names} & {"tensorflow", "keras"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.name))
def test_no_function_is_much_longer_than_40_lines_of_code(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            start = (
                node.body[1].lineno
                if ast.get_docstring(node) and len(node.body) > 1
                else node.lineno
            )
            assert node.end_lineno - start <= 45, node.name
