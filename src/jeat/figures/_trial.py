"""A picture as small as can be, drawn before work whose pictures come at its end."""

from io import BytesIO

from PIL import Image

from jeat.figures.image_grid import panels

__all__ = ["check_drawing"]


def check_drawing() -> None:
    """Draw a panel and a plot, each with a title, and keep neither.

    Raises:
        ValueError: one cannot be drawn, as for want of a font or of a backend of matplotlib.
    """
    try:
        panels({"E(x)": Image.new("RGB", (8, 8))}).save(BytesIO(), "PNG")
        from matplotlib.figure import Figure

        figure = Figure(figsize=(1, 1), layout="constrained")
        figure.subplots().set_title(r"$\Delta_x$: attack")
        figure.savefig(BytesIO(), format="png")
    except Exception as error:  # whatever a drawing library raises
        raise ValueError(
            f"no picture can be drawn here ({type(error).__name__}: {error}): mend matplotlib or "
            "Pillow, or set MPLBACKEND=agg"
        ) from error
