"""Run an exported policy of ANYmal with MuJoCo and onnxruntime only, as a program on a robot would.

Export it once with ``oige-export task=Anymal checkpoint=pretrained output=policy.onnx``, then::

    python deploy_anymal.py policy.onnx --command 1.0 0.0 0.0
"""

import argparse
import json
from pathlib import Path

import mujoco
import numpy as np
import onnxruntime


def main() -> None:
    """Walk at the commanded velocity and print the mean velocity of the second half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policy", type=Path, help="the exported policy; its contract and model are beside it")
    parser.add_argument("--command", type=float, nargs=3, default=(1.0, 0.0, 0.0), help="m/s forward, m/s left, rad/s")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--log", type=Path, help="write a log for oige-deploy-check, such as log.npz")
    arguments = parser.parse_args()

    contract = json.loads(arguments.policy.with_suffix(".json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(str(arguments.policy))
    model = mujoco.MjModel.from_xml_path(str(arguments.policy.with_suffix(".xml")))
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("start").id)
    mujoco.mj_forward(model, data)  # the pose of the base before the first step

    (robot,) = contract["robots"]
    joints = {joint["name"]: joint for joint in robot["joints"]}
    drives = {name: model.actuator(f"{robot['name']}/{name}") for name in joints}
    for name, joint in joints.items():  # force = stiffness · (target − q) − damping · q̇, within ± max_effort
        drives[name].gainprm[0] = joint["stiffness"]
        drives[name].biasprm[1:3] = -joint["stiffness"], -joint["damping"]
        drives[name].forcerange[:] = -joint["max_effort"], joint["max_effort"]
    targets = {name: joint["default_position"] for name, joint in joints.items()}
    entries, commands = contract["observations"]["entries"], contract["actions"]["entries"]
    actions = np.zeros(len(commands), np.float32)
    period, travelled, log = contract["control"]["period"], [], []

    for step in range(round(arguments.seconds / period)):
        frame = data.body(f"{robot['name']}/{robot['links'][0]}").xmat.reshape(3, 3)
        measured = {
            "linear_velocity": dict(zip("xyz", frame.T @ data.qvel[:3], strict=True)),
            "angular_velocity": dict(zip("xyz", data.qvel[3:6], strict=True)),
            "gravity": dict(zip("xyz", -frame[2], strict=True)),
            "commanded_velocity": dict(zip("xy", arguments.command, strict=False)),
            "commanded_yaw_rate": {"": arguments.command[2]},
            "joint_position": {
                name: data.joint(f"{robot['name']}/{name}").qpos[0] - joint["default_position"]
                for name, joint in joints.items()
            },
            "joint_velocity": {name: data.joint(f"{robot['name']}/{name}").qvel[0] for name in joints},
            "previous_action": dict(zip((entry["component"] for entry in commands), actions, strict=True)),
        }
        observation = [entry["scale"] * measured[entry["quantity"]][entry["component"]] for entry in entries]
        outputs = session.run(None, {contract["policy"]["input"]: np.array([observation], np.float32)})
        actions = np.asarray(outputs[0])[0]
        positions = [data.joint(f"{robot['name']}/{name}").qpos[0] for name in joints]
        log.append((observation, actions, step * period, positions, data.qpos[3:7].copy()))
        for entry, action in zip(commands, actions, strict=True):
            name, joint = entry["component"], joints[entry["component"]]
            moved = targets[name] + entry["scale"] * action * period  # an action is the speed of a position target
            targets[name] = float(np.clip(moved, joint["lower_limit"], joint["upper_limit"]))
            data.ctrl[drives[name].id] = targets[name]
        mujoco.mj_step(model, data, round(period / model.opt.timestep))
        mujoco.mj_kinematics(model, data)  # the pose of the base after the step
        travelled.append([*(frame.T @ data.qvel[:3])[:2], data.qvel[5], data.qpos[2]])

    forward, left, yaw, _ = np.mean(travelled[len(travelled) // 2 :], axis=0)
    print(f"velocity {forward:.2f} m/s forward, {left:.2f} m/s left, {yaw:.2f} rad/s")
    print(f"lowest height of the base {np.min(travelled, axis=0)[3]:.2f} m")
    if arguments.log:
        seen, given, time, positions, orientation = (np.array(values) for values in zip(*log, strict=True))
        np.savez(
            arguments.log,
            observations=seen,
            actions=given,
            time=time,
            joint_names=np.array(list(joints)),
            joint_positions=positions,
            base_orientation=orientation,
        )


if __name__ == "__main__":
    main()
