"""The notebooks: ``python -m docs.notebooks`` runs them, and keeps what they show."""

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "notebooks"


def notebooks() -> list[Path]:
    """The files of the notebooks."""
    return sorted(FOLDER.glob("*.ipynb"))


def ran(file: Path) -> Any:
    """A notebook with what its cells show, run from top to bottom in a process of its own.

    Raises:
        CellExecutionError: a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(file, as_version=4)
    NotebookClient(
        notebook, timeout=1200, kernel_name="python3", record_timing=False, coalesce_streams=True
    ).execute()
    for cell in notebook.cells:
        shown = [o for o in cell.get("outputs", ()) if o.get("name") != "stderr"]
        for output in shown:
            output.get("data", {}).pop("image/jpeg", None)  # beside the same as PNG
        if cell.cell_type == "code":
            cell.outputs = shown
    return notebook


if __name__ == "__main__":
    import nbformat

    for file in notebooks():
        nbformat.write(ran(file), file)
