"""The tree of modules in assets/docs/architecture.md, made from the sources: `python -m tests.architecture --write`.

Each module says in its first sentence what it is: a docstring in Python, the comment at the top of a script or a style
sheet. A package's sentence is that of its `__init__.py`.
"""

import ast
import re
from pathlib import Path

from tests.core.test_imports import ROW, part_of
from tests.helpers.generated import Generated

REPO = Path(__file__).parents[1]
TOPS = ("core", "playground", "assets", "tests")
WIDTH = 28  # of a name with its indentation; a longer one pushes its sentence to the right
MIRRORS = ("tests/core", "tests/playground", "tests/scripts")  # a test file for each module: not listed
LISTED = (".py", ".js", ".css")
COMMENT = re.compile(r"^(?:// ?|/\*+ ?| \* ?| {3})?(.*?)(?: ?\*/)?$")  # a line of one, without its marks


def sentence(path: Path) -> str:
    """The first sentence of a module, or "" if it has none."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = ast.get_docstring(ast.parse(source)) or ""
    else:
        text = "\n".join(comment(source.splitlines()))
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.?!])\s+(?=[A-Z`])", paragraph)[0]


def comment(lines: list[str]) -> list[str]:
    """The text of the comment with which a script or style sheet begins."""
    found = []
    block = bool(lines) and lines[0].startswith("/*")
    for line in lines:
        if not (block or line.startswith("//")):
            break
        match = COMMENT.match(line)
        found.append(match.group(1) if match else "")
        if block and "*/" in line:
            break
    return found


def order(path: Path) -> tuple[bool, int, str]:
    """Files before folders, `core` in reading order: what imports nothing first."""
    name = path.relative_to(REPO).with_suffix("").parts
    row = ROW.get(part_of(name[1:]), len(ROW)) if name[0] == "core" and len(name) == 2 else 0
    return (path.is_dir() and name[0] != "core", row, path.name)


def tree(folder: Path, depth: int = 0) -> list[str]:
    """A line for `folder` and one for each module in it."""
    name = folder.relative_to(REPO).as_posix()
    package = folder / "__init__.py"
    lines = [row(f"{folder.name}/", depth, sentence(package) if package.exists() else "")]
    if name in MIRRORS:
        return lines
    for path in sorted(folder.iterdir(), key=order):
        if path.is_dir() and any(path.rglob("*.py")) | any(path.rglob("*.js")):
            if path.name != "__pycache__":
                lines += tree(path, depth + 1)
        elif path.suffix in LISTED and path.name != "__init__.py":
            lines.append(row(path.name, depth + 1, sentence(path)))
    return lines


def row(name: str, depth: int, about: str) -> str:
    return f"{'  ' * depth + name:{WIDTH}} {about}".rstrip()


def modules() -> list[Path]:
    """Every file that must say what it is."""
    paths = (path for top in ("core", "playground", "assets") for path in (REPO / top).rglob("*"))
    return sorted(path for path in paths if path.suffix in LISTED)


def whole_tree() -> str:
    return "".join(f"{line}\n" for top in TOPS for line in tree(REPO / top))


PART = Generated(
    "architecture.md",
    "<!-- tree: python -m tests.architecture --write -->\n```\n",
    "```\n<!-- end of tree -->",
    whole_tree,
)


if __name__ == "__main__":
    PART.main(__doc__)
