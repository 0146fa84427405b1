"""One GPU: trials side by side, what `resources.gpus: auto` chooses, number formats, cuDNN, waits, and memory that runs out.

It takes up to six minutes. With --dry-run it does for moments on CPUs whatever needs no GPU, to see that it works.
"""

from __future__ import annotations

import os
import subprocess
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.fleet import Fleet, mps
from benchmarks.material import configuration, count_cores, listed
from benchmarks.operations import StepShape, operations
from benchmarks.row import Row, SkippedError, at_least, at_most, explains

COUNTS = (1, 2, 4, 8, 16, 32)
TRAIN_S, DRY_TRAIN_S = 3.0, 0.2
STEPS_OF_A_TRIAL = 2_000  # three epochs of 40,000 rows in batches of 64
PACKED_GOAL = 8.0
AUTO_SHARE = 0.9
ENOUGH_S = 300.0  # after this, what is left is skipped, so that everything ends within six minutes
BATCH, EMBEDDING, HIDDEN = 64, 128, 128
WIDTHS = (64, 128, 256, 512)
WATCHED_STEPS = 200
SPACE = """
task: multilabel
data: {train: 'builtin:docstrings', text: text, labels: labels, validation: 0.15, test: 0.15}
search: {time: 30m, max_epochs: 20, reports_per_epoch: 1}
space: {embedding: {random: {size: 128}}, hidden: 128, batch_size: 64, max_length: 64}
"""


def measure() -> list[Row]:
    """Measure part after part; a part that breaks is a row, so that the others are still seen."""
    is_dry = os.environ.get("TUNER_BENCH_DRY_RUN") == "1"
    bench = GpuBench(is_dry=is_dry)
    parts: Sequence[Callable[[], list[Row]]] = (
        bench.describe,
        bench.trials_side_by_side,
        bench.waits,
        bench.out_of_memory,
        bench.automatic_choice,
        bench.number_formats,
        bench.cudnn,
        bench.with_mps,
    )
    begun_s = time.monotonic()
    rows: list[Row] = []
    for part in parts:
        if time.monotonic() - begun_s > ENOUGH_S:
            rows.append(explains(part.__name__, None, "", "skipped: no time is left"))
            continue
        try:
            rows += part()
        except Exception as error:  # noqa: BLE001 - a row that does not hold; the other parts go on
            what = f"broken: {type(error).__name__}: {str(error)[:500]}"
            rows.append(Row(name=part.__name__, asked="no error", measured=None, unit="", holds=False, detail=what))
    return rows


class GpuBench:
    """The parts of the benchmark, and what they share: data, a configuration, and the throughput that was measured first."""

    def __init__(self, *, is_dry: bool) -> None:
        from tuner.search.reading import read_data
        from tuner.space.load import read_space
        from tuner.training.device import CPU, GPU, choose_device

        if not is_dry and choose_device(1) != GPU:
            raise SkippedError("PyTorch sees no GPU here; try the parts that need none with --dry-run")
        self.device, self.is_dry = CPU if is_dry else GPU, is_dry
        self.space = read_space(SPACE)
        self.space, _, self.data = read_data(self.space, lambda _: None)
        self.seconds = DRY_TRAIN_S if is_dry else TRAIN_S
        self.most = min(2 if is_dry else COUNTS[-1], 2 * count_cores())
        self.rates: dict[int, float] = {}

    def settings(self, *, share: float = 1.0) -> Any:
        """Return the settings of a trial on a share of the device."""
        from tuner.trial.order import TrialSettings

        return TrialSettings(
            max_epochs=20, reports_per_epoch=1, penalty_weight=1.0, device=self.device, gpu_share=share
        )

    def configuration(self, *, hidden: int = HIDDEN, precision: str = "auto", **more: Any) -> Any:
        """Return an LSTM of a width with common settings."""
        return configuration(
            embedding={"random": {"size": EMBEDDING}},
            hidden=hidden,
            batch_size=BATCH,
            max_length=64,
            precision=precision,
            **more,
        )

    def describe(self) -> list[Row]:
        """Return the name of the GPU, and the versions of what drives it."""
        import torch

        if self.is_dry:
            return [explains("device", None, "", "a dry run on CPUs: none of these figures say anything about a GPU")]
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,mig.mode.current", "--format=csv,noheader"]
        found = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
        detail = f"{found}; CUDA {torch.version.cuda}; cuDNN {torch.backends.cudnn.version()}"
        return [explains("device", float(torch.cuda.device_count()), "GPUs", detail)]

    # --- throughput ---

    def trials_side_by_side(self) -> list[Row]:
        """Return steps a second and trials an hour by the number of trials on the GPU."""
        self.rates = self._rates([count for count in COUNTS if count <= self.most])
        best = max(self.rates, key=lambda count: self.rates[count])
        gain = self.rates[best] / self.rates[1]
        rows = [
            explains(
                f"{count} on one GPU",
                rate,
                "steps/s",
                f"{3600 * rate / STEPS_OF_A_TRIAL:,.0f} trials of {STEPS_OF_A_TRIAL:,} steps an hour; {rate / count:,.0f} "
                "steps/s each",
            )
            for count, rate in self.rates.items()
        ]
        packed = "packed over one a GPU, trials an hour"
        detail = f"best with {best}; {count_cores()} cores"
        judged = (
            explains(packed, gain, "times", detail)
            if self.is_dry
            else at_least(packed, PACKED_GOAL, gain, "times", detail)
        )
        return [judged, *rows]

    def _rates(self, counts: Sequence[int]) -> dict[int, float]:
        """Return the steps a second of all trials together."""
        with Fleet(counts[-1], self.configuration(), self.data, self.settings(share=1 / counts[-1])) as fleet:
            return {count: fleet.steps_per_second(count, self.seconds) for count in counts}

    def automatic_choice(self) -> list[Row]:
        """Let tuner measure and choose, and compare what it chose with the best of the above."""
        from tuner.ray_backend.start import start_ray, stop_ray
        from tuner.search.gpus import pack

        begun_s = time.monotonic()
        machines = start_ray(None, self.space.resources)
        try:
            packing = pack(self.space, self.data, most=min(self.most, int(machines.cpus)), device=self.device)
        finally:
            stop_ray()
        spent_s = time.monotonic() - begun_s
        nearest = min(self.rates, key=lambda count: abs(count - packing.trials))
        share = self.rates[nearest] / max(self.rates.values())
        name, detail = "throughput of the automatic choice / best", f"{packing.sentence}; measured in {spent_s:.0f} s"
        return [
            explains(name, share, "share", detail)
            if self.is_dry
            else at_least(name, AUTO_SHARE, share, "share", detail)
        ]

    def with_mps(self) -> list[Row]:
        """Return the throughput of many trials with NVIDIA's Multi-Process Service, if it can be started."""
        if self.is_dry:
            return [explains("with MPS", None, "", "skipped: a dry run")]
        with mps() as problem:
            if problem:
                return [explains("with MPS", None, "", f"skipped: {problem}")]
            rates = self._rates([count for count in COUNTS if 4 <= count <= self.most])
        over = {str(count): rate / self.rates[count] for count, rate in rates.items()}
        best = max(rates.values())
        detail = f"over the same number without: {listed(over, '.2f')}"
        return [explains("with MPS, the best number of trials", best, "steps/s", detail)]

    # --- one trial ---

    def waits(self) -> list[Row]:
        """Count how often a trial's steps wait for the GPU, as PyTorch sees it."""
        import torch

        from tuner.trial.trial import Trial

        if self.is_dry:
            return [explains("waits a step", None, "", "skipped: a dry run")]
        counted = {}
        for clipping in ({"norm": {"threshold": 1.0}}, {"quantile": {"quantile": 0.5, "history": 100}}):
            trial = Trial(self.configuration(clipping=clipping), self.data, self.settings(), seed=0)
            trial.advance(pause_at=time.perf_counter() + 1.0)  # the first steps build kernels
            before = trial.steps
            torch.cuda.set_sync_debug_mode("warn")
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    while trial.steps < before + WATCHED_STEPS and trial.advance(pause_at=time.perf_counter() + 0.05):
                        pass
            finally:
                torch.cuda.set_sync_debug_mode("default")
            waited = [each for each in caught if "synchroniz" in str(each.message)]
            counted[next(iter(clipping))] = len(waited) / max(1, trial.steps - before)
        return [at_most("waits a step", 0.0, max(counted.values()), "times", f"by clipping: {listed(counted, '.2f')}")]

    def number_formats(self) -> list[Row]:
        """Return how much faster bfloat16 is by the width of a layer, and the share that a step reaches of the peak."""
        from tuner.training.precision import choose_precision

        ratios, chosen, rates = {}, {}, {}
        for hidden in WIDTHS[: 1 if self.is_dry else None]:
            speeds = {
                precision: self._probe(hidden=hidden, precision=precision) for precision in ("float32", "bfloat16")
            }
            ratios[str(hidden)] = speeds["bfloat16"] / speeds["float32"]
            chosen[str(hidden)] = choose_precision(hidden, self.device)
            rates[hidden] = speeds
        worst = max(
            (max(speeds.values()) / speeds[chosen[str(hidden)]] for hidden, speeds in rates.items()), default=1.0
        )
        width = max(rates)
        peak = _peak(self.device, size=256 if self.is_dry else 8192)
        reached = operations(self._shape(width)) * rates[width]["bfloat16"]
        return [
            explains("best number format over the one chosen, at worst", worst, "times", f"chosen: {chosen}"),
            explains("bfloat16 over float32, by width", ratios[str(width)], "times", listed(ratios, ".2f")),
            explains("peak of bfloat16 products", peak / 1e12, "TFLOP/s", "square matrices"),
            explains(f"share of it in a step, width {width}", reached / peak, "share", f"{reached / 1e12:.2f} TFLOP/s"),
        ]

    def cudnn(self) -> list[Row]:
        """Return how much faster a trial is with the kernels of cuDNN than with PyTorch's own."""
        import torch

        if self.is_dry:
            return [explains("cuDNN", None, "", "skipped: a dry run")]
        with_cudnn = self._probe()
        torch.backends.cudnn.enabled = False
        try:
            without = self._probe()
        finally:
            torch.backends.cudnn.enabled = True
        dropped = self._probe(weight_dropout=0.3)
        detail = f"{with_cudnn:,.0f} steps/s; {without:,.0f} without; {dropped:,.0f} with dropout on recurrent weights"
        return [at_least("cuDNN over PyTorch's own LSTM", 1.0, with_cudnn / without, "times", detail)]

    def out_of_memory(self) -> list[Row]:
        """Let a process run out of its share of the memory, and return whether it trains as fast afterwards."""
        import torch

        from tuner.trial.error_texts import is_out_of_memory

        if self.is_dry:
            return [explains("after memory ran out", None, "", "skipped: a dry run")]
        before = self._probe(share=0.1)
        taken: list[Any] = []
        message = "memory did not run out"
        try:
            for _ in range(1_000):
                taken.append(torch.empty(1 << 28, dtype=torch.uint8, device=self.device))
        except RuntimeError as error:
            message = str(error) if is_out_of_memory(error) else f"not seen as out of memory: {error}"
        size = len(taken) * (1 << 28) / torch.cuda.mem_get_info()[1]
        taken.clear()
        after = self._probe(share=0.1)
        detail = f"{size:.3f} of the memory was taken with a share of 0.1: {message.splitlines()[0][:200]}"
        kept = torch.cuda.memory_reserved() / 2**30
        return [
            at_most("memory taken with a share of 0.1", 0.1, size, "share", detail),
            at_least("speed after memory ran out / before", 0.8, after / before, "times", f"{kept:.2f} GB reserved"),
        ]

    def _probe(self, *, share: float = 1.0, **chosen: Any) -> float:
        from tuner.trial.probe import TrialProbe

        probe = TrialProbe(self.configuration(**chosen), self.data, self.settings(share=share))
        return probe.steps_per_second(self.seconds)

    def _shape(self, hidden: int) -> StepShape:
        ((splits, *_),) = self.data.prepared.values()
        length = min(64.0, splits.train.steps.size / len(splits.train))
        return StepShape(
            rows=BATCH,
            positions=BATCH * length,
            features=EMBEDDING,
            hidden=hidden,
            layers=1,
            directions=2,
            labels=self.data.n_labels,
        )


def _peak(device: str, *, size: int) -> float:
    """Return the operations a second of a large product in bfloat16."""
    import torch

    from tuner.training.device import wait_for

    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(5):
        wait_for(device)
        begun_s = time.perf_counter()
        for _ in range(5):
            left @ right
        wait_for(device)
        best = max(best, 5 * 2 * size**3 / (time.perf_counter() - begun_s))
    return best
