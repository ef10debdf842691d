"""Helpers for tests of tasks: any executor, comparison of Warp variants, and captured steps on the CPU."""

from oige_core.testing.environments import (
    assert_fills_range,
    assert_variants_agree,
    make_engine_on,
    make_env_on,
    set_root_pose,
    spatial_momentum,
)
from oige_core.testing.tape import TapeRecorder, assert_captured_steps_agree

__all__ = [
    "TapeRecorder",
    "assert_captured_steps_agree",
    "assert_fills_range",
    "assert_variants_agree",
    "make_engine_on",
    "make_env_on",
    "set_root_pose",
    "spatial_momentum",
]
