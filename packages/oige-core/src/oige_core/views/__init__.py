"""The protocols through which tasks read and write the simulation, the same on every engine.

Method and argument names are those of the views of ``omni.isaac.core``. Everywhere:

* tensors are float32 on the simulation's device, with the world as first dimension; ``indices`` selects worlds,
  ``joint_indices`` joints, ``body_indices`` links; each is a list, array or tensor of whole numbers, none twice in a
  setter, or None for all;
* ``indices`` may also be a bool mask ``(num_envs,)``, which costs no wait for a GPU: values then have a row for each
  world, getters return all rows, and setters write only those of the mask; the other rows may hold anything;
* setters take a tensor on that device or, slower, on the CPU, an array or lists, of the shape that the getter returns;
  one row or one number applies to all worlds, and ``(n, 1)`` to all joints or links;
* joints and links are in breadth-first order of the kinematic tree, with the root as first link;
* quaternions are w, x, y, z; poses are relative to the origin of their world; velocities and forces are in the world
  frame unless a method says otherwise; the velocity of a body is that of its frame's origin; units are SI;
* ``clone=False`` may return a live buffer, which is valid until the next step and must not be written;
* getters return at once what a setter wrote;
* invalid arguments raise an OigeError before anything is written; it names method, element, value and expectation;
* a position, velocity, target, effort or force that is not finite makes its world diverge in the next step, which ends
  its episode; a property that is not finite or out of range, such as a negative mass, raises an error;
* shapes, types and devices are always checked; the numbers in tensors on a GPU are not, because this would wait for it.
  There, indices must exist and properties must be valid, otherwise the results are undefined. Numbers in lists, arrays
  and tensors on the CPU are checked on every device, except under a mask that is on a GPU;
* setters and getters do not wait for a GPU, except setters that get lists, arrays or tensors on the CPU, and those of
  materials of links that a tensor on the GPU selects.
"""

from oige_core.views.articulations import ArticulationView
from oige_core.views.bodies import FramedView, RigidPrimView
from oige_core.views.cameras import CameraOutput, CameraView
from oige_core.views.deformables import DeformablePrimView
from oige_core.views.selections import Indices

__all__ = [
    "ArticulationView",
    "CameraOutput",
    "CameraView",
    "DeformablePrimView",
    "FramedView",
    "Indices",
    "RigidPrimView",
]
