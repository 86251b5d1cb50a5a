"""The slope is the golden model's at every temperature."""

import random
from dataclasses import replace

import pytest
from bench.check import convert
from bench.runner import simulate
from cmvm.together import WAIVERS
from embedding.shapes import make_plan

from hc1gen.golden.sampler import slope
from hc1gen.numeric.config import NumericConfig
from hc1gen.numeric.numerics import TEMPERATURE_BITS
from hc1gen.rtl.temperature import Temperature

ALL = range(1 << TEMPERATURE_BITS)


@pytest.mark.parametrize(
    ("config", "step"),
    [
        pytest.param(NumericConfig(), 1, id="default"),
        pytest.param(NumericConfig(recip_bits=6, recip_index=2, mantissa_bits=8), 13, id="narrow"),
        pytest.param(NumericConfig(recip_bits=16, recip_index=10, mantissa_bits=16), 13, id="wide"),
    ],
)
def test_slopes(config, step):
    n = replace(make_plan(1, 7, 37).n, config=config)
    temperatures = [*ALL[:300], *ALL[300::step], 0, ALL[-1], 0, 0]
    random.Random(0).shuffle(temperatures)
    case = {
        "temperatures": temperatures, "slopes": [slope(t, n) if t else 0 for t in temperatures],
        "latency": Temperature.latency,
    }  # fmt: skip
    sources = [WAIVERS, convert(Temperature(n), "to_slope")]
    simulate("temperature", sources, "to_slope", "temperature.bench_temperature", case=case)
