"""The choice of a number format."""

from __future__ import annotations

import pytest
import torch

from tuner.training.precision import choose_precision

HAS_BFLOAT16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@pytest.mark.parametrize(("cell", "hidden"), [("lstm", 16), ("lstm", 32), ("gru", 64), ("gru", 128)])
def test_narrow_layers_compute_in_float32_on_every_processor(cell: str, hidden: int) -> None:
    assert choose_precision(hidden, "cpu", cell=cell) == "float32"


@pytest.mark.parametrize(("cell", "hidden"), [("lstm", 64), ("lstm", 256), ("gru", 256)])
def test_wide_layers_compute_in_bfloat16_where_the_processor_has_it(cell: str, hidden: int) -> None:
    assert choose_precision(hidden, "cpu", cell=cell) == ("bfloat16" if HAS_BFLOAT16 else "float32")
