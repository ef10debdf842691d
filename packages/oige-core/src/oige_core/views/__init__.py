"""The protocols through which tasks read and write the simulation, the same on every engine.

Method and argument names are those of the views of ``omni.isaac.core``. Everywhere:

* tensors are float32 on the simulation's device, the world first; ``indices`` selects worlds, ``joint_indices`` joints,
  ``body_indices`` links; each is a list, array or tensor of whole numbers, none twice in a setter, or None for all;
* ``indices`` may also be a bool mask ``(num_envs,)``, which costs no wait for a GPU: values then have a row for each
  world, getters return all rows, and setters write only those of the mask; the other rows may hold anything;
* setters take a tensor on that device or, slower, on the CPU, an array or lists, of the shape that the getter returns;
  one row, or one number, stands for all worlds, and where columns are joints or links, ``(n, 1)`` for all of them;
* joints and links are in breadth-first order of the kinematic tree, links beginning with the root;
* quaternions are w, x, y, z; poses are relative to the world's own origin; velocities and forces are in the world
  frame where a method does not say otherwise; the velocity of a body is that of its frame's origin; units are SI;
* ``clone=False`` may return a live buffer: valid until the next step, not to be written;
* what a setter writes, a getter returns at once;
* mistakes raise an OigeError before anything is written; it names method, element, what was given and what is expected.
  On a GPU numbers are not looked at, as that would wait for it: indices have to exist, and properties be in range;
* a position, velocity, target, effort or force that is not finite makes its world diverge in the next step, which ends
  its episode; a property that is not finite, or is out of range, as a negative mass, raises on the CPU.
"""

from oige_core.views.articulations import ArticulationView
from oige_core.views.bodies import FramedView, RigidPrimView
from oige_core.views.cameras import CameraOutput, CameraView
from oige_core.views.selections import Indices

__all__ = ["ArticulationView", "CameraOutput", "CameraView", "FramedView", "Indices", "RigidPrimView"]
