"""Typed schemas of the simulation and task configuration. Nothing here imports torch.

Keys, defaults and meanings are those of OmniIsaacGymEnvs. Sections that only one engine reads say so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from oige_core.config.fields import ISAAC_SIM_ONLY, MUJOCO_ONLY, follows, unread
from oige_core.errors import ConfigError, did_you_mean
from oige_core.randomization.schema import PARAMS_KEY, DrawConfig, Path, parse_params

__all__ = [
    "ActorConfig",
    "DefaultPhysicsMaterialConfig",
    "DomainRandomizationConfig",
    "EnvConfig",
    "IsaacSimConfig",
    "MujocoConfig",
    "PhysxConfig",
    "RunConfig",
    "SimConfig",
    "TaskConfig",
    "ViewportConfig",
    "check_choice",
    "check_positive",
    "check_range",
]


def check_choice(key: str, value: object, choices: Sequence[object]) -> None:
    """Raise ConfigError unless ``value`` is one of ``choices``."""
    if value not in choices:
        names = [str(choice) for choice in choices]
        raise ConfigError(
            f"{key}={value}: expected one of {', '.join(names)}. {did_you_mean(str(value), names)}".rstrip()
        )


def check_positive(key: str, value: float, *, zero: bool = False) -> None:
    """Raise ConfigError unless ``value`` is a finite number above zero (or zero, where that is allowed)."""
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        finite = "" if math.isfinite(value) else "finite "
        raise ConfigError(f"{key}={value}: expected a {finite}number {'of at least' if zero else 'above'} 0.")


def check_range(key: str, values: Sequence[float]) -> None:
    """Raise ConfigError unless ``values`` are two finite numbers, the lower one first."""
    if not (len(values) == 2 and all(map(math.isfinite, values)) and values[0] <= values[1]):
        raise ConfigError(f"{key}={list(values)}: expected [low, high] with low <= high.")


@dataclass(kw_only=True)
class EnvConfig:
    """The ``task.env`` section; tasks extend it with their own keys.

    Attributes:
        numEnvs: number of worlds.
        envSpacing: distance at which neighbouring worlds are drawn, in metres.
        episodeLength: control steps after which an episode is truncated; one fewer with ``compat=upstream`` in all
            tasks but Cartpole, CartpoleCamera and TargetFollowing.
        controlFrequencyInv: physics steps per control step (the decimation).
        clipObservations: observations are clamped to plus and minus this.
        clipActions: actions are clamped to plus and minus this.
        autoresetMode: when a world whose episode has ended is reset; see :class:`~oige_core.envs.VecEnv`.
            ``auto``: ``same_step``; with ``compat=upstream`` as in the original of the task, which is ``upstream`` for
            all tasks but AnymalTerrain.
            ``same_step``: in the step that ends the episode; ``final_obs`` has its last observation.
            ``next_step``: by the next step, which ignores that world's action, as gymnasium defines it.
            ``upstream``: before the physics of the next step, as in OmniIsaacGymEnvs.
        captureStep: whether the step of a torch task is captured in CUDA graphs; on the CPU there are none.
        compat: ``fixed`` corrects errors of OmniIsaacGymEnvs that change learning, ``upstream`` restores them; ``oige``
            is an older name of ``upstream``.
        enableDebugVis: key in files of OmniIsaacGymEnvs, which does not use it.
    """

    # what autoresetMode=auto means with compat=upstream
    autoreset_of_original: ClassVar[Literal["same_step", "upstream"]] = "upstream"

    numEnvs: int
    envSpacing: float
    episodeLength: int
    controlFrequencyInv: int = 1
    clipObservations: float = math.inf
    clipActions: float = math.inf
    autoresetMode: Literal["auto", "same_step", "next_step", "upstream"] = "auto"
    captureStep: bool = True
    compat: str = "fixed"
    enableDebugVis: bool = field(default=False, metadata=unread("OmniIsaacGymEnvs does not use it; leave it out"))

    def __post_init__(self) -> None:
        for key in ("numEnvs", "episodeLength", "controlFrequencyInv"):
            check_positive(f"task.env.{key}", getattr(self, key))
        check_positive("task.env.envSpacing", self.envSpacing, zero=True)
        for key in ("clipObservations", "clipActions"):
            if not getattr(self, key) > 0:
                raise ConfigError(f"task.env.{key}={getattr(self, key)}: expected a number above 0.")
        if self.compat == "oige":
            self.compat = "upstream"
        check_choice("task.env.compat", self.compat, ("fixed", "upstream"))
        if self.autoresetMode == "auto":
            self.autoresetMode = self.autoreset_of_original if self.compat == "upstream" else "same_step"


@dataclass(kw_only=True)
class DefaultPhysicsMaterialConfig:
    """Material of every shape without a material of its own, in the scene or in its asset.

    Attributes:
        static_friction: coefficient of friction at rest. The embedded engine has only one, so both must be equal.
        dynamic_friction: coefficient of sliding friction between two shapes without one of their own. If one of them
            has a coefficient, it applies instead.
        restitution: speed after a bounce as a fraction of the speed before it. The embedded engine accepts only 0.
    """

    static_friction: float = 1.0
    dynamic_friction: float = 1.0
    restitution: float = 0.0

    def __post_init__(self) -> None:
        for key in ("static_friction", "dynamic_friction", "restitution"):
            check_positive(f"task.sim.default_physics_material.{key}", getattr(self, key), zero=True)


@dataclass(kw_only=True)
class ActorConfig:
    """Settings of one scene element; -1 keeps the value of the task or its asset.

    The embedded engine reads ``density``, ``mass``, ``enable_self_collisions`` and ``make_kinematic``; Isaac Sim reads
    all.

    Attributes:
        override_usd_defaults: let the keys of ``task.sim.physx`` apply where neither this section nor the element's
            USD prims state a value.
        make_kinematic: True or 1: a rigid body is moved only by its view; False or 0: by forces. Articulations refuse
            this key.
        enable_self_collisions: True or 1: the links of an articulation collide with each other; False, 0 or -1: they do
            not.
        enable_gyroscopic_forces: True or 1: PhysX computes gyroscopic torques; False or 0: it does not.
        solver_position_iteration_count: position iterations of PhysX per step.
        solver_velocity_iteration_count: velocity iterations of PhysX per step.
        sleep_threshold: kinetic energy per mass, in m²/s², below which PhysX lets bodies sleep.
        stabilization_threshold: kinetic energy per mass, in m²/s², below which PhysX stabilises bodies.
        max_depenetration_velocity: maximum speed at which PhysX pushes overlapping bodies apart, in m/s.
        density: in kg/m³, replaces masses that the task or the shapes of an asset state.
        mass: mass of a rigid body, in kg. Articulations refuse this key.
        contact_offset: distance below which PhysX generates contacts, in m.
        rest_offset: distance at which PhysX lets bodies rest, in m.
    """

    override_usd_defaults: bool = field(default=False, metadata=ISAAC_SIM_ONLY)
    make_kinematic: bool | int = -1
    enable_self_collisions: bool | int = -1
    enable_gyroscopic_forces: bool | int = field(default=-1, metadata=ISAAC_SIM_ONLY)
    solver_position_iteration_count: int = field(default=-1, metadata=ISAAC_SIM_ONLY)
    solver_velocity_iteration_count: int = field(default=-1, metadata=ISAAC_SIM_ONLY)
    sleep_threshold: float = field(default=-1, metadata=ISAAC_SIM_ONLY)
    stabilization_threshold: float = field(default=-1, metadata=ISAAC_SIM_ONLY)
    max_depenetration_velocity: float = field(default=-1, metadata=ISAAC_SIM_ONLY)
    density: float = -1
    mass: float = -1
    contact_offset: float = field(default=-1, metadata=ISAAC_SIM_ONLY)
    rest_offset: float = field(default=-1, metadata=ISAAC_SIM_ONLY)

    def check(self, path: str) -> None:
        """Raise ConfigError for invalid values; ``path`` is the key of the section."""
        for key in ("make_kinematic", "enable_self_collisions"):
            if getattr(self, key) not in (-1, 0, 1):
                raise ConfigError(f"{path}.{key}={getattr(self, key)}: expected 0, 1, or -1 to keep the task's.")
        for key in ("density", "mass"):
            value = getattr(self, key)
            if value != -1 and not 0 < value < math.inf:
                raise ConfigError(f"{path}.{key}={value}: expected a number above 0, or -1 to keep the task's.")
        if self.density != -1 and self.mass != -1:
            raise ConfigError(
                f"{path}: density={self.density} and mass={self.mass} both set the mass; leave one at -1."
            )


@dataclass(kw_only=True)
class PhysxConfig:
    """Scene settings of PhysX; read by Isaac Sim only.

    Attributes:
        use_gpu: follows the root key ``sim_device``.
        worker_thread_count: threads of PhysX on the CPU.
        num_threads: the same in some files of OmniIsaacGymEnvs, which does not use it.
        solver_type: 0: projected Gauss-Seidel (PGS); 1: temporal Gauss-Seidel (TGS); None: that of the root key.
        bounce_threshold_velocity: relative speed below which contacts do not bounce, in m/s.
        friction_offset_threshold: distance up to which contact points get friction, in m.
        friction_correlation_distance: distance within which contact points share a friction anchor, in m.
        enable_sleeping: let bodies at rest sleep.
        enable_stabilization: damp bodies that are nearly at rest.
        gpu_max_rigid_contact_count: capacity of the GPU's buffer of rigid contacts.
        gpu_max_rigid_patch_count: capacity of the GPU's buffer of contact patches.
        gpu_found_lost_pairs_capacity: capacity of the buffer of pairs that the broad phase found or lost.
        gpu_found_lost_aggregate_pairs_capacity: capacity of the same buffer for aggregates.
        gpu_total_aggregate_pairs_capacity: capacity of the buffer of all pairs of aggregates.
        gpu_max_soft_body_contacts: capacity of the buffer of contacts of soft bodies.
        gpu_max_particle_contacts: capacity of the buffer of contacts of particles.
        gpu_heap_capacity: initial size of the GPU's heap, in bytes.
        gpu_temp_buffer_capacity: initial size of the GPU's temporary buffer, in bytes.
        gpu_max_num_partitions: partitions of the GPU solver.
        gpu_collision_stack_size: size of the stack of collision detection on the GPU, in bytes.
        density: in kg/m³; nothing reads it, because every body states its mass.
        solver_position_iteration_count: position iterations per step. This key and those below apply to elements with
            ``override_usd_defaults`` that set them neither in their own section nor in their USD file.
        solver_velocity_iteration_count: velocity iterations per step.
        sleep_threshold: kinetic energy per mass, in m²/s², below which bodies sleep.
        stabilization_threshold: kinetic energy per mass, in m²/s², below which bodies are stabilised.
        enable_gyroscopic_forces: compute gyroscopic torques.
        max_depenetration_velocity: maximum speed at which overlapping bodies are pushed apart, in m/s.
        contact_offset: distance below which contacts are generated, in m.
        rest_offset: distance at which bodies rest, in m.
    """

    use_gpu: bool = field(default=False, metadata=unread("set sim_device instead"))
    worker_thread_count: int = 4
    num_threads: int = field(default=4, metadata=unread("OmniIsaacGymEnvs does not use it; set worker_thread_count"))
    solver_type: Literal[0, 1] | None = None
    bounce_threshold_velocity: float = 0.2
    friction_offset_threshold: float = 0.04
    friction_correlation_distance: float = 0.025
    enable_sleeping: bool = True
    enable_stabilization: bool = True
    gpu_max_rigid_contact_count: int = 524288
    gpu_max_rigid_patch_count: int = 81920
    gpu_found_lost_pairs_capacity: int = 1024
    gpu_found_lost_aggregate_pairs_capacity: int = 1024
    gpu_total_aggregate_pairs_capacity: int = 1024
    gpu_max_soft_body_contacts: int = 1048576
    gpu_max_particle_contacts: int = 1048576
    gpu_heap_capacity: int = 67108864
    gpu_temp_buffer_capacity: int = 16777216
    gpu_max_num_partitions: int = 8
    gpu_collision_stack_size: int = 67108864
    solver_position_iteration_count: int = 4
    solver_velocity_iteration_count: int = 1
    sleep_threshold: float = 0.0
    stabilization_threshold: float = 0.0
    enable_gyroscopic_forces: bool = False
    density: float = field(default=1000.0, metadata=unread("every body states its mass; set task.sim.<name>.density"))
    max_depenetration_velocity: float = 100.0
    contact_offset: float = 0.02
    rest_offset: float = 0.001

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if isinstance(value, int | float) and not isinstance(value, bool) and key != "rest_offset":
                zero = not key.startswith("gpu_") and key != "solver_position_iteration_count"
                check_positive(f"task.sim.physx.{key}", value, zero=zero)


@dataclass(kw_only=True)
class MujocoConfig:
    """Solver settings of the embedded engine; see MuJoCo's ``option`` element.

    Attributes:
        integrator: ``implicitfast`` integrates joint drives and damping implicitly in velocity. ``discrete`` does so in
            position, too, and accounts for both in contacts. Stiff drives that shake with ``implicitfast`` stand still.
        cone: friction cone, ``elliptic`` or ``pyramidal``; trajectories on CPU and CUDA agree much longer with
            ``elliptic``.
        solver: constraint solver, ``newton`` or ``cg``.
        iterations: maximum iterations of the solver per solver step.
        ls_iterations: maximum iterations of its line search.
        tolerance: improvement below which the solver stops early.
        impratio: ratio of frictional to normal impedance of contacts; with a higher ratio, contacts slip less.
        noslip_iterations: maximum iterations of a pass that prevents contacts from slipping; 0: no such pass.
        ccd_iterations: maximum iterations of the collision detection of convex shapes.
        sdf_iterations: maximum iterations of the search for contacts of shapes of type ``sdf``, from each point.
        sdf_initpoints: number of points at which that search starts.
        max_contacts: maximum number of contacts of one world on CUDA; 0: determined by a probe run.
        max_constraints: maximum number of constraint rows of one world on CUDA; 0: determined by a probe run.
        deterministic: runs with the same seed on the same kind of GPU repeat themselves bit by bit, and a step takes 5
            to 50 times as long; on the CPU they always do.
    """

    integrator: Literal["euler", "rk4", "implicit", "implicitfast", "discrete"] = "implicitfast"
    cone: Literal["elliptic", "pyramidal"] = "elliptic"
    solver: Literal["newton", "cg"] = "newton"
    iterations: int = 100
    ls_iterations: int = 50
    tolerance: float = 1e-8
    impratio: float = 1.0
    noslip_iterations: int = 0
    ccd_iterations: int = 35
    sdf_iterations: int = 10
    sdf_initpoints: int = 40
    max_contacts: int = 0
    max_constraints: int = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        for key in ("iterations", "ls_iterations", "impratio", "ccd_iterations", "sdf_iterations", "sdf_initpoints"):
            check_positive(f"task.sim.mujoco.{key}", getattr(self, key))
        for key in ("tolerance", "noslip_iterations", "max_contacts", "max_constraints"):
            check_positive(f"task.sim.mujoco.{key}", getattr(self, key), zero=True)


@dataclass(kw_only=True)
class IsaacSimConfig:
    """Settings of the engine that runs in Isaac Sim.

    Attributes:
        physics: physics engine of Isaac Sim: ``physx``, or ``newton``, which Isaac Sim 6.0 added and which has no
            Jacobians, mass matrices and joint forces there.
    """

    physics: Literal["physx", "newton"] = "physx"


@dataclass(kw_only=True)
class SimConfig:
    """The ``task.sim`` section.

    Attributes:
        dt: time of one physics step, in seconds.
        rendering_dt: time between two rendered frames, in seconds; -1: each control step is rendered; Isaac Sim only.
        substeps: solver steps per physics step.
        gravity: acceleration x, y, z, in m/s².
        max_position: bound in m of slide joints and of the positions of floating bodies in their world. A world
            beyond it has exploded: it is counted and reset, and its episode ends without reward.
        max_velocity: the same for the velocity of every joint and floating body, in m/s or rad/s.
        use_gpu_pipeline: follows the root key ``pipeline``.
        add_ground_plane: tasks may add a ground plane.
        add_distant_light: add a light far away, for cameras and viewer.
        use_fabric: use Fabric instead of USD at run time; Isaac Sim only.
        enable_scene_query_support: support ray casts and sweeps; Isaac Sim only.
        enable_cameras: start with cameras; Isaac Sim only.
        disable_contact_processing: skip contact reports, unless the scene measures contact forces; Isaac Sim only.
        actors: settings by scene element; in YAML, each is a section with the element's name.
    """

    dt: float = 1.0 / 60.0
    rendering_dt: float = field(default=-1.0, metadata=ISAAC_SIM_ONLY)
    substeps: int = 1
    gravity: list[float] = field(default_factory=lambda: [0.0, 0.0, -9.81])
    max_position: float = 1000.0
    max_velocity: float = 1000.0
    use_gpu_pipeline: bool = field(default=True, metadata=unread("set pipeline instead"))
    add_ground_plane: bool = True
    add_distant_light: bool = True
    use_fabric: bool = field(default=True, metadata=ISAAC_SIM_ONLY)
    enable_scene_query_support: bool = field(default=False, metadata=ISAAC_SIM_ONLY)
    enable_cameras: bool = field(default=False, metadata=ISAAC_SIM_ONLY)
    disable_contact_processing: bool = field(default=False, metadata=ISAAC_SIM_ONLY)
    default_physics_material: DefaultPhysicsMaterialConfig = field(default_factory=DefaultPhysicsMaterialConfig)
    physx: PhysxConfig = field(default_factory=PhysxConfig, metadata=ISAAC_SIM_ONLY)
    isaacsim: IsaacSimConfig = field(default_factory=IsaacSimConfig, metadata=ISAAC_SIM_ONLY)
    mujoco: MujocoConfig = field(default_factory=MujocoConfig, metadata=MUJOCO_ONLY)
    actors: dict[str, ActorConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_positive("task.sim.dt", self.dt)
        check_positive("task.sim.substeps", self.substeps)
        check_positive("task.sim.max_position", self.max_position)
        check_positive("task.sim.max_velocity", self.max_velocity)
        if self.rendering_dt != -1:
            check_positive("task.sim.rendering_dt", self.rendering_dt)
        if len(self.gravity) != 3:
            raise ConfigError(f"task.sim.gravity={self.gravity}: expected three numbers, in m/s².")
        for name, actor in self.actors.items():
            actor.check(f"task.sim.{name}")


@dataclass(kw_only=True)
class ViewportConfig:
    """Camera position and image size of recordings; where the viewer's camera starts.

    Attributes:
        camera_position: position of the camera on the grid of worlds, in metres; None: the camera follows one robot.
        camera_target: point that the camera looks at, in metres.
        world_target: point of the middle world at which the camera looks instead of following its robot, relative to
            the world's origin, in metres; not with ``camera_position``.
        world_radius: what the camera shows around this point, in metres.
        viewport_camera_width, viewport_camera_height: size of the image, in pixels.
    """

    camera_position: list[float] | None = None
    camera_target: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    world_target: list[float] | None = field(default=None, metadata=MUJOCO_ONLY)
    world_radius: float = field(default=1.0, metadata=MUJOCO_ONLY)
    viewport_camera_width: int = 1280
    viewport_camera_height: int = 720

    def __post_init__(self) -> None:
        check_positive("task.viewport.world_radius", self.world_radius)
        for key in ("camera_position", "camera_target", "world_target"):
            point = getattr(self, key)
            if point is not None and len(point) != 3:
                raise ConfigError(f"task.viewport.{key}={point}: expected three numbers, in m.")
        for key in ("viewport_camera_width", "viewport_camera_height"):
            if getattr(self, key) < 16 or getattr(self, key) % 2:
                # Videos store the colours of blocks of 2 x 2 pixels.
                raise ConfigError(f"task.viewport.{key}={getattr(self, key)}: expected an even number of at least 16.")


@dataclass(kw_only=True)
class DomainRandomizationConfig:
    """The ``task.domain_randomization`` section: random noise, and random parameters of the simulation.

    Attributes:
        randomize: whether ``randomization_params`` takes effect.
        min_frequency: a reset randomises the simulation and the views of a world only if at least this number of
            control steps has passed since a reset last did. It does not affect observations and actions.
        randomization_params: what is drawn, when and from which distribution: sections ``observations``, ``actions``,
            ``simulation``, ``rigid_prim_views``, ``articulation_views`` and ``camera_views``.
    """

    randomize: bool = False
    min_frequency: int = 1
    randomization_params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_positive("task.domain_randomization.min_frequency", self.min_frequency)
        if not self.draws and self.randomize:
            raise ConfigError(
                f"task.domain_randomization.randomize=True: {PARAMS_KEY} says nothing to randomise; add a section to "
                "it, or leave randomize out."
            )

    @property
    def draws(self) -> dict[Path, DrawConfig]:
        """What is drawn, by group, view, attribute and trigger.

        Raises:
            ConfigError: a block is wrong.
        """
        return parse_params(self.randomization_params)


@dataclass(kw_only=True)
class TaskConfig:
    """The ``task`` section.

    Attributes:
        name: of the task.
        env: section of the task; an instance of the schema that the task's record names.
        physics_engine: the engine; follows the root key of the same name.
    """

    name: str = field(default="", metadata=follows("set task instead"))
    env: EnvConfig
    physics_engine: str = field(default="mujoco", metadata=follows("set physics_engine, without task., instead"))
    sim: SimConfig = field(default_factory=SimConfig)
    viewport: ViewportConfig = field(default_factory=ViewportConfig)
    domain_randomization: DomainRandomizationConfig = field(default_factory=DomainRandomizationConfig)


@dataclass(kw_only=True)
class RunConfig:
    """The whole configuration of a simulation; ``cfg/simulation.yaml`` gives the defaults and the meanings."""

    task: TaskConfig
    task_name: str = field(default="", metadata=follows("set task instead"))
    num_envs: Any = ""
    seed: int = 42
    torch_deterministic: bool = False
    physics_engine: Literal["mujoco", "isaacsim", "physx"] = "mujoco"
    pipeline: Literal["auto", "gpu", "cpu"] = "auto"
    sim_device: Literal["auto", "gpu", "cpu"] = "auto"
    device_id: int = 0
    num_threads: int = field(default=0, metadata=MUJOCO_ONLY)
    solver_type: Literal[0, 1] = field(default=1, metadata=ISAAC_SIM_ONLY)
    warp: bool = False
    headless: bool = True
    test: bool = False
    debug: bool = False

    def __post_init__(self) -> None:
        if self.seed < -1:
            raise ConfigError(f"seed={self.seed}: expected -1 (random) or a number of at least 0.")
        for key in ("device_id", "num_threads"):
            check_positive(key, getattr(self, key), zero=True)
        if self.task.sim.physx.solver_type is None:
            self.task.sim.physx.solver_type = self.solver_type
