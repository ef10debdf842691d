"""Golden vectors: inputs and outputs of the functions of OmniIsaacGymEnvs, recorded without a simulator.

The classes of OmniIsaacGymEnvs run on stubs: its modules are imported from a checkout, the torch and Warp functions of
Isaac Sim from another, and the rest of Isaac Sim is replaced by :mod:`tools.golden_vectors.stubs`. Views return random
tensors and record what is written to them (:mod:`tools.golden_vectors.views`). A recorder per task calls the methods of
the original and stores what went in and what came out, as ``tests/golden/data/<Task>.npz``. Tests in ``tests/golden``
feed the same inputs to the tasks of this repository.

    uv run --with scipy python -m tools.golden_vectors --original DIR --isaac-sim DIR --task Cartpole

Checkouts: https://github.com/isaac-sim/OmniIsaacGymEnvs at the commit of :data:`COMMIT`, and
https://github.com/isaac-sim/IsaacSim at :data:`ISAAC_SIM`. Nothing of them is copied into this repository.
"""

__all__ = ["COMMIT", "ISAAC_SIM"]

COMMIT = "f8f91bcf73cfd8ede2eab70e19dd70162abf9775"
ISAAC_SIM = "5.0.0"
