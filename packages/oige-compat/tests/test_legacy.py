"""What old scripts use of other libraries."""

from oige_compat.legacy import restore
from oige_compat.session import restart
from pxr import UsdLux


def test_lights_have_their_former_attribute() -> None:
    restore()
    restore()
    stage = restart().stage
    light = UsdLux.DistantLight.Define(stage, "/World/light")
    assert light.GetPrim().GetAttribute("intensity").Set(500.0)
    assert light.GetIntensityAttr().Set(400.0)
    assert UsdLux.DistantLight(stage.GetPrimAtPath("/World/light")).GetIntensityAttr().Get() == 400.0
