"""A progress bar where somebody watches, silence elsewhere."""

import os
import sys
from typing import Any


def somebody_watches() -> bool:
    """Whether a bar would be seen live.

    Yes on a terminal, on Colab, and in a kernel that a Jupyter server started (it sets JPY_SESSION_NAME). No
    in a pipe, and no where papermill or nbclient execute a notebook: the bar's traces would end up on the
    page. The environment variable CONVBOOK_PROGRESS decides if it is set: 0 or 1.
    """
    asked = os.environ.get("CONVBOOK_PROGRESS")
    if asked:
        return asked != "0"
    return (
        "google.colab" in sys.modules
        or "JPY_SESSION_NAME" in os.environ
        or bool(getattr(sys.stdout, "isatty", lambda: False)())
    )


def progress_bar(
    total: int | None, *, done: int = 0, wanted: bool = True, unit: str = "step", title: str = ""
) -> Any:
    """A tqdm bar over ``total`` units, on standard output; a disabled one prints nothing.

    ``done`` of them lie behind already. With ``unit="B"`` it counts bytes, in kilobytes and larger.
    """
    from tqdm import tqdm

    hidden = not (wanted and somebody_watches())
    return tqdm(
        total=total,
        initial=done,
        unit=unit,
        unit_scale=unit == "B",
        desc=title or None,
        leave=False,
        file=sys.stdout,
        disable=hidden,
    )
