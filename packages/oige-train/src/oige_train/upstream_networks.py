"""What the training configurations of OmniIsaacGymEnvs say about networks and a checkpoint does not contain."""

from typing import Any

__all__ = ["is_upstream_task", "upstream_network"]

PPO_ACTIVATION = "elu"
SAC_ACTIVATION = "relu"
#: Tasks whose layers have another activation.
ACTIVATIONS = {"Crazyflie": "tanh", "ShadowHandOpenAI_LSTM": "relu", "TargetFollowing": "tanh"}
WITH_SAC = ("Ant", "AntSAC", "Humanoid", "HumanoidSAC")
WITH_PPO = (
    "AllegroHand",
    "Ant",
    "Anymal",
    "AnymalTerrain",
    "BallBalance",
    "Cartpole",
    "CartpoleCamera",
    "Crazyflie",
    "FactoryTaskNutBoltPick",
    "FactoryTaskNutBoltPlace",
    "FactoryTaskNutBoltScrew",
    "FrankaCabinet",
    "FrankaDeformable",
    "Humanoid",
    "Ingenuity",
    "Quadcopter",
    "ShadowHand",
    "ShadowHandOpenAI_FF",
    "ShadowHandOpenAI_LSTM",
    "TargetFollowing",
)
CONVS = [
    {"filters": 32, "kernel_size": 8, "strides": 4, "padding": 0},
    {"filters": 64, "kernel_size": 4, "strides": 2, "padding": 0},
    {"filters": 64, "kernel_size": 3, "strides": 1, "padding": 0},
]
#: Activation of convolutional layers, by task with images.
CNN_ACTIVATIONS = {"CartpoleCamera": "relu", "TargetFollowing": "tanh"}


def is_upstream_task(name: str) -> bool:
    """Whether OmniIsaacGymEnvs has a task of that name."""
    return name in WITH_PPO or name in WITH_SAC


def upstream_network(task: str, algorithm: str) -> dict[str, Any] | None:
    """Return a part of the ``network`` section of a task's training configuration; None if it has none.

    Args:
        task: name of the task's YAML file.
        algorithm: rl_games' name of the algorithm.
    """
    if algorithm == "sac":
        return {"mlp": {"activation": SAC_ACTIVATION}} if task in WITH_SAC else None
    if task not in WITH_PPO:
        return None
    network: dict[str, Any] = {"mlp": {"activation": ACTIVATIONS.get(task, PPO_ACTIVATION)}}
    if task in CNN_ACTIVATIONS:
        network["cnn"] = {"type": "conv2d", "activation": CNN_ACTIVATIONS[task], "convs": CONVS}
    return network
