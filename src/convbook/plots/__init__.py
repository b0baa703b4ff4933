"""Figures in the book's style: functions return a matplotlib ``Figure``, ``show`` puts it on the page."""

from convbook.plots.capture import capture
from convbook.plots.charts import curves, intervals, layer_bars
from convbook.plots.display import show
from convbook.plots.images import feature_maps, filters, gate_heatmap, image_grid, overlay
from convbook.plots.style import PALETTE, new_figure, use_style
from convbook.plots.timeline import timeline

__all__ = [
    "PALETTE",
    "capture",
    "curves",
    "feature_maps",
    "filters",
    "gate_heatmap",
    "image_grid",
    "intervals",
    "layer_bars",
    "new_figure",
    "overlay",
    "show",
    "timeline",
    "use_style",
]
