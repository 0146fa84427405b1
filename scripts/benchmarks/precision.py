"""The score of short trainings in bfloat16 and float32, compared with the spread over seeds."""

from __future__ import annotations

import statistics

from benchmarks.material import configuration, goemotions_data
from benchmarks.row import Row, at_most, explains

SEEDS = 5
EPOCHS = 1


def measure() -> list[Row]:
    """Train the same model from the same seeds in both precisions on all of goemotions."""
    from tuner.trial.order import TrialSettings
    from tuner.trial.trial import Trial

    data = goemotions_data()
    settings = TrialSettings(max_epochs=EPOCHS, reports_per_epoch=1, penalty_weight=1.0, threads=1)
    scores: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    for precision in ("float32", "bfloat16"):
        chosen = configuration(
            hidden=64,
            embedding={"random": {"size": 128}},
            loss_weights="root",
            learning_rate=0.004,
            precision=precision,
        )
        measurements = [Trial(chosen, data, settings, seed=seed).next_measurement() for seed in range(SEEDS)]
        scores[precision] = [measurement.score for measurement in measurements]
        seconds[precision] = statistics.median(measurement.train_seconds for measurement in measurements)
    means = {precision: statistics.mean(values) for precision, values in scores.items()}
    spread = statistics.mean(statistics.variance(values) for values in scores.values()) ** 0.5
    difference = means["bfloat16"] - means["float32"]
    each = "; ".join(f"{name} {' '.join(f'{score:.3f}' for score in values)}" for name, values in scores.items())
    detail = f"{SEEDS} seeds each, {EPOCHS} epoch of goemotions, 64/1: {each}"
    return [
        at_most("difference of means / seed spread", 1.0, abs(difference) / spread, "times", detail),
        explains(
            "bfloat16 minus float32, mean score", difference, "score", f"standard deviation over seeds {spread:.4f}"
        ),
        explains(
            "bfloat16, times as fast", seconds["float32"] / seconds["bfloat16"], "times", "training seconds, medians"
        ),
    ]
