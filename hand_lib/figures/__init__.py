"""Figures for the book: matplotlib for the page, plotly for 3D and for what moves, ipywidgets for the live notebook.

Every helper returns the figure (or table, or banner) it makes; as the last value of a notebook cell it shows itself,
once.

* :mod:`~hand_lib.figures.style`: the book's look, ``use``, ``panels``, ``show_image``.
* :mod:`~hand_lib.figures.hands`: ``draw_hand_2d``, ``contact_sheet``, ``hand_views``, ``hand_3d``.
* :mod:`~hand_lib.figures.sliders`: ``slider_figure``, ``hand_slider``, ``image_slider``: they move
  on a page without a kernel.
* :mod:`~hand_lib.figures.charts`: ``curve``, ``pck_curves``, ``error_by_joint``, ``error_by_finger``.
* :mod:`~hand_lib.figures.features`: ``map_sheet``, ``palm_angle``, ``bin_means``, ``pair_slider``.
* :mod:`~hand_lib.figures.tables`: ``results_table``, ``table``, ``banner``.
* :mod:`~hand_lib.figures.ladder_map`: ``ladder_map``, the map of the book.
* :mod:`~hand_lib.figures.widgets`: ``explore`` and its controls, for the live notebook.
"""

from hand_lib.figures import style, widgets
from hand_lib.figures.charts import curve, error_by_finger, error_by_joint, pck_curves
from hand_lib.figures.hands import (
    contact_sheet,
    cube_around,
    draw_hand_2d,
    hand_3d,
    hand_traces,
    hand_views,
    joint_names_2d,
    mesh_trace,
    set_scene,
)
from hand_lib.figures.sliders import hand_slider, image_slider, picture_axes, skeleton_traces_2d, slider_figure
from hand_lib.figures.style import describe, panels, show_image, use
from hand_lib.figures.tables import Banner, Column, Table, banner, mean_and_spread, results_table, table

__all__ = [
    "Banner",
    "Column",
    "Table",
    "banner",
    "contact_sheet",
    "cube_around",
    "curve",
    "describe",
    "draw_hand_2d",
    "error_by_finger",
    "error_by_joint",
    "hand_3d",
    "hand_slider",
    "hand_traces",
    "hand_views",
    "image_slider",
    "joint_names_2d",
    "mean_and_spread",
    "mesh_trace",
    "panels",
    "pck_curves",
    "picture_axes",
    "results_table",
    "set_scene",
    "show_image",
    "skeleton_traces_2d",
    "slider_figure",
    "style",
    "table",
    "use",
    "widgets",
]
