"""Prometheus' text format, version 0.0.4: what a page of metrics looks like.

Source: Prometheus, "Exposition formats".
"""

from collections.abc import Iterable

from shopkart_pipeline.domain.metric import Labels, Metric, Sample, written

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_ESCAPED_TEXT = str.maketrans({"\\": r"\\", "\n": r"\n"})


def exposition(metrics: Iterable[Metric], samples: Iterable[Sample]) -> str:
    """The page: each metric with what it means and its samples. Metrics without a sample are left out.

    Raises:
        ValueError: a sample is of none of the metrics.
    """
    known = {name: metric for metric in metrics for name in metric.series}
    found = dict[str, list[Sample]]()
    for sample in samples:
        if sample.name not in known:
            raise ValueError(f"there is no metric {sample.name}")
        found.setdefault(known[sample.name].name, []).append(sample)
    lines = list[str]()
    for metric in dict.fromkeys(known.values()):
        if metric.name in found:
            lines.append(f"# HELP {metric.name} {metric.text.translate(_ESCAPED_TEXT)}")
            lines.append(f"# TYPE {metric.name} {metric.kind.value}")
            lines += [f"{each.name}{_braced(each.labels)} {written(each.value)}" for each in found[metric.name]]
    return "".join(f"{line}\n" for line in lines)


def _braced(labels: Labels) -> str:
    inner = ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in labels)
    return f"{{{inner}}}" if inner else ""
