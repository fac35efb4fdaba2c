"""The page's interactive charts, as Vega-Lite specifications."""

from typing import Any

from scripts.reporting.described import course
from stages.figures.style import PALETTE

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")  # five beside six colours: thirty that differ
MEASURES = {"loss": "Loss (mean cross-entropy, nats)", "accuracy": "Accuracy (share of images)"}

CONFIG = {
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
    "legend": {"labelFontSize": 13, "symbolSize": 120, "symbolStrokeWidth": 2},
}


def curve_charts(rows: list[dict[str, str]], variants: list[str]) -> dict[str, dict[str, Any]]:
    """{what is shown: its chart} over the epochs, from the rows of curves.tsv.

    A variant has its colour and shape by its place among `variants`; val is thick, train thin and dashed. Radio
    buttons below the chart, which a keyboard reaches as well, dim all variants but one.
    """
    return {title: _curve_chart(rows, measure, title, variants) for measure, title in MEASURES.items()}


def _curve_chart(rows: list[dict[str, str]], measure: str, title: str, variants: list[str]) -> dict[str, Any]:
    values = [
        {"variant": row["variant"], "split": row["split"], "epoch": int(row["epoch"]), measure: float(row[measure])}
        for row in rows
    ]
    colours, shapes = ([choice[place % len(choice)] for place in range(len(variants))] for choice in (PALETTE, SHAPES))
    # One tick an epoch, ten at most; tickMinStep would let halves through.
    epochs = {"tickCount": min(10, max(1, len({row["epoch"] for row in rows}) - 1)), "labelFlush": False}
    legend = {"title": None, "orient": "top", "direction": "vertical", "labelLimit": 0}
    chosen = {"input": "radio", "options": [None, *variants], "labels": ["all", *variants], "name": "show"}
    split: dict[str, Any] = {"field": "split", "type": "ordinal"}
    splits = ["val", "train"]
    return {
        "description": f"{title} of each variant over the epochs, on train and val images. {course(rows, measure)}",
        "width": "container",
        "height": 240,
        "data": {"values": values},
        "params": [{"name": "chosen", "value": None, **({"bind": chosen} if len(variants) > 1 else {})}],
        "encoding": {
            "x": {
                "field": "epoch",
                "type": "quantitative",
                "axis": epochs,
                "scale": {"zero": False, "nice": False},
            },
            "y": {"field": measure, "type": "quantitative", "title": None, "scale": {"zero": measure == "loss"}},
            "color": _by_variant(variants, colours, legend),
            "opacity": {
                "condition": {"test": "chosen === null || datum.variant === chosen", "value": 1},
                "value": 0.15,
            },
        },
        "layer": [
            {
                "mark": "line",
                "encoding": {
                    "strokeDash": {**split, "scale": {"domain": splits, "range": [[1, 0], [5, 4]]}, "legend": legend},
                    "strokeWidth": {**split, "scale": {"domain": splits, "range": [2.5, 1.2]}},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "opacity": 1, "tooltip": {"content": "data"}},
                "encoding": {
                    "shape": _by_variant(variants, shapes, legend),
                    "size": {**split, "scale": {"domain": splits, "range": [60, 25]}, "legend": None},
                },
            },
        ],
        "config": CONFIG,
    }


def _by_variant(variants: list[str], values: list[str], legend: dict[str, Any]) -> dict[str, Any]:
    return {"field": "variant", "type": "nominal", "scale": {"domain": variants, "range": values}, "legend": legend}
