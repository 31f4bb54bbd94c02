"""Pictures of the report, drawn by matplotlib, which joins and orders Arabic letters since 3.11."""

import base64
import io
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

_IDENTITY_FIGURES = ("subgroup_auc", "bpsn_auc", "bnsp_auc")


def pictures(
    figures: Mapping[str, Any], drawn: Mapping[str, Any], points: Mapping[str, Any]
) -> dict[str, str]:
    """Draw an evaluation: by title, ``data:`` addresses that carry the pictures themselves."""
    every = {
        "Precision and recall": _draw_precision_recall(drawn, points),
        "Reliability": _draw_reliability(drawn, figures["labels"]),
        "Confusion at the review point": _draw_confusion(figures["labels"]),
        "Dialects and sets": _draw_slices(figures),
        "Functions": _draw_bars(figures["functions"], "accuracy", "share that is right"),
        "Disguises": _draw_bars(figures["evasion"], "retained", "share still caught"),
        "Terms of identity": _draw_identity(figures["identity_terms"]),
    }
    return {title: _embedded(figure) for title, figure in every.items() if figure is not None}


def _axes(n: int, *, width: float = 4.0, height: float = 3.4) -> tuple[Figure, list[Any]]:
    """Return a figure of n panels, four in a row."""
    columns = min(n, 4)
    rows = -(-n // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[n:]:
        axis.set_axis_off()
    return figure, axes[:n]


def _draw_precision_recall(drawn: Mapping[str, Any], points: Mapping[str, Any]) -> Figure | None:
    if not drawn:
        return None
    figure, axes = _axes(len(drawn))
    for axis, (label, curve) in zip(axes, drawn.items(), strict=True):
        axis.step(curve["recall"], curve["precision"], where="post")
        for purpose, point in points.get(label, {}).items():
            axis.plot(point["recall"], point["precision"], "o", label=f"{purpose} (validation)")
        axis.set(title=label, xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        if points.get(label):
            axis.legend(fontsize="small")
    return figure


def _draw_reliability(drawn: Mapping[str, Any], labels: Mapping[str, Any]) -> Figure | None:
    if not drawn:
        return None
    figure, axes = _axes(len(drawn))
    for axis, (label, curve) in zip(axes, drawn.items(), strict=True):
        axis.plot((0, 1), (0, 1), color="0.7")
        axis.plot(curve["mean_score"], curve["share"], marker="o")
        error = f", ECE {labels[label]['ece']:.3f}" if label in labels else ""
        axis.set(title=f"{label}{error}", xlabel="score", ylabel="share that is true")
        axis.set(xlim=(0, 1), ylim=(0, 1))
    return figure


def _draw_confusion(labels: Mapping[str, Any]) -> Figure | None:
    if not labels:
        return None
    figure, axes = _axes(len(labels), width=2.8, height=2.8)
    for axis, (label, m) in zip(axes, labels.items(), strict=True):
        counts = m["confusion"]
        shares = [[n / max(sum(row), 1) for n in row] for row in counts]
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for i, row in enumerate(counts):
            for j, n in enumerate(row):
                color = "white" if shares[i][j] > 0.5 else "black"
                axis.text(j, i, f"{n:,}", ha="center", va="center", color=color)
        axis.set(title=label, xticks=(0, 1), yticks=(0, 1), xlabel="flagged", ylabel="is")
        axis.set_xticklabels(("no", "yes"))
        axis.set_yticklabels(("no", "yes"))
    return figure


def _draw_slices(figures: Mapping[str, Any]) -> Figure | None:
    slices = {**figures["dialects"], **figures["sets"]}
    slices = {name: m for name, m in slices.items() if "auc" in m}
    if not slices:
        return None
    figure, (axis,) = _axes(1, width=9, height=1 + 0.3 * len(slices))
    for i, m in enumerate(slices.values()):
        axis.plot((m["auc"]["low"], m["auc"]["high"]), (i, i), color="0.6")
        axis.plot(m["auc"]["value"], i, "o", color="C0")
    axis.set(yticks=range(len(slices)), xlabel="AUC of toxicity")
    axis.set_yticklabels(list(slices))
    axis.invert_yaxis()
    return figure


def _draw_identity(groups: Mapping[str, Any]) -> Figure | None:
    """Draw the terms that fare worst; the table has them all."""
    every = [
        (min(m[key] for key in _IDENTITY_FIGURES), term, m)
        for terms in groups.values()
        for term, m in terms.items()
    ]
    worst = sorted(every, key=lambda found: found[:2])[:25]
    if not worst:
        return None
    figure, (axis,) = _axes(1, width=7, height=1 + 0.28 * len(worst))
    values = [[m[key] for key in _IDENTITY_FIGURES] for _, _, m in worst]
    picture = axis.imshow(values, cmap="RdYlGn", vmin=0.5, vmax=1, aspect="auto")
    axis.set(xticks=range(3), yticks=range(len(worst)), title="the terms that fare worst")
    axis.set_xticklabels(("subgroup", "BPSN", "BNSP"))
    axis.set_yticklabels([f"{m['written']} ({term})" for _, term, m in worst])
    figure.colorbar(picture, ax=axis, label="AUC")
    return figure


def _draw_bars(measured: Mapping[str, Any], key: str, meaning: str) -> Figure | None:
    if not measured:
        return None
    figure, (axis,) = _axes(1, width=9, height=1 + 0.28 * len(measured))
    axis.barh(list(measured), [m[key] for m in measured.values()])
    axis.set(xlim=(0, 1), xlabel=meaning, ylim=(len(measured) - 0.5, -0.5))
    return figure


def _embedded(figure: Figure) -> str:
    """Return a picture as an address that carries the picture itself."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
