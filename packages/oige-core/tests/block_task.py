"""A block that slides without friction, so that every number is known: on torch tensors, and on Warp arrays."""

from dataclasses import dataclass

import torch
import warp as wp
from oige_core.config import EnvConfig
from oige_core.scene import ArticulationAsset
from oige_core.tasks import RLTask, RLTaskWarp
from oige_core.warp_arrays import ArticulationArrays, uniform

DT, MASS = 0.01, 2.0
RAIL = """<mujoco><worldbody><body name="block"><joint name="slide" type="slide" axis="1 0 0"/>
<geom type="box" size=".1 .1 .1" mass="2" contype="0" conaffinity="0"/></body></worldbody></mujoco>"""


@dataclass(kw_only=True)
class BlockConfig(EnvConfig):
    """The block's section."""

    edge: float = 1.0


class BlockTask(RLTask[BlockConfig]):
    """Observation: position and velocity. Reward: 1 + position. Ends beyond the edge."""

    def set_up_scene(self, scene):
        self.blocks = scene.add_articulation("block", ArticulationAsset(mjcf=RAIL, usd=""))

    def reset_idx(self, worlds):
        super().reset_idx(worlds)
        self.blocks.set_joint_positions(self.uniform(-0.5, 0.5, len(worlds), 1), worlds)

    def pre_physics_step(self, actions):
        self.actions = actions
        self.blocks.set_joint_efforts(actions)

    def get_observations(self, worlds=None):
        return torch.cat((self.blocks.get_joint_positions(worlds), self.blocks.get_joint_velocities(worlds)), dim=-1)

    def get_states(self, worlds=None):
        return 10 * self.rows(self.obs_buf, worlds)[:, :1]

    def calculate_metrics(self):
        ones = torch.ones(self.num_envs, device=self.device)
        return self.sum_reward_terms({"alive": ones, "position": self.obs_buf[:, 0]})

    def is_done(self):
        return self.obs_buf[:, 0] > self.cfg.edge


class BlockWarpTask(RLTaskWarp[BlockConfig]):
    """The same on Warp arrays."""

    reward_names = ("alive", "position")

    def set_up_scene(self, scene):
        self.blocks = scene.add_articulation("block", ArticulationAsset(mjcf=RAIL, usd=""))

    def post_reset(self):
        self.block = self.arrays(self.blocks)

    def reset_idx(self, mask):
        super().reset_idx(mask)
        wp.launch(randomise, self.num_envs, inputs=[mask, self.random, self.block])

    def pre_physics_step(self):
        wp.copy(self.block.joint_efforts, self.actions)

    def get_observations(self):
        wp.launch(observe, self.num_envs, inputs=[self.block], outputs=[self.observations])

    def get_states(self):
        wp.launch(find_states, self.num_envs, inputs=[self.observations], outputs=[self.states])

    def calculate_metrics(self):
        outputs = [self.reward_terms, self.rewards]
        wp.launch(reward, self.num_envs, inputs=[self.observations], outputs=outputs)

    def is_done(self):
        wp.launch(leave, self.num_envs, inputs=[self.observations, self.cfg.edge], outputs=[self.terminated])


@wp.kernel
def randomise(mask: wp.array[bool], random: wp.array[wp.uint32], block: ArticulationArrays):
    world = wp.tid()
    if mask[world]:
        block.joint_positions[world, 0] = uniform(random, world, -0.5, 0.5)


@wp.kernel
def observe(block: ArticulationArrays, observations: wp.array2d[float]):
    world = wp.tid()
    observations[world, 0] = block.joint_positions[world, 0]
    observations[world, 1] = block.joint_velocities[world, 0]


@wp.kernel
def find_states(observations: wp.array2d[float], states: wp.array2d[float]):
    world = wp.tid()
    states[world, 0] = 10.0 * observations[world, 0]


@wp.kernel
def reward(observations: wp.array2d[float], terms: wp.array2d[float], rewards: wp.array[float]):
    world = wp.tid()
    terms[world, 0] = 1.0
    terms[world, 1] = observations[world, 0]
    rewards[world] = terms[world, 0] + terms[world, 1]


@wp.kernel
def leave(observations: wp.array2d[float], edge: float, terminated: wp.array[bool]):
    world = wp.tid()
    terminated[world] = observations[world, 0] > edge


def place(env, positions, velocity=0.0):
    env.task.blocks.set_joint_positions(torch.tensor(positions)[:, None])
    env.task.blocks.set_joint_velocities(torch.full((env.num_envs, 1), velocity))
