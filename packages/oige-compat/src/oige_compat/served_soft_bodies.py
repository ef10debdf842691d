"""Names of soft bodies and of the scripts of PhysX for :mod:`oige_compat.served`."""

from oige_compat.served_names import Row, below

__all__ = ["SOFT_BODIES"]

SOFT_BODIES: dict[str, Row] = {
    **below(
        "omni.isaac.core.prims.soft",
        "served",
        {
            "DeformablePrimView": "one soft body in all worlds",
            "DeformablePrimView.initialize": "prepares the view",
            "DeformablePrimView.name": "name in the scene",
            "DeformablePrimView.count": "number of soft bodies",
            "DeformablePrimView.set_simulation_mesh_nodal_positions": "sets positions of nodes",
            "DeformablePrimView.set_simulation_mesh_nodal_velocities": "sets velocities of nodes",
        },
    ),
    **below(
        "omni.isaac.core.prims.soft",
        "approximated",
        {
            f"DeformablePrimView.{name}": f"{text}; here of the surface, of which only those have the numbers of Isaac "
            "Sim that OmniIsaacGymEnvs reads"
            for name, text in {
                "get_simulation_mesh_nodal_positions": "returns positions of nodes",
                "get_simulation_mesh_nodal_velocities": "returns velocities of nodes",
                "max_simulation_mesh_vertices_per_body": "number of nodes",
                "max_simulation_mesh_elements_per_body": "number of elements",
            }.items()
        },
    ),
    "omni.isaac.core.prims.soft.DeformablePrimView.*": ("missing", "a method of soft bodies"),
    "omni.isaac.core.simulation_context.SimulationContext.instance": ("served", "returns the simulation"),
    "omni.isaac.core.utils.prims.is_prim_non_root_articulation_link": (
        "served",
        "whether a prim is a link below the root link",
    ),
    "omni.kit.app.get_app": ("approximated", "returns the application; here there is none, and updates step physics"),
    **below(
        "omni.physx.scripts.physicsUtils",
        "served",
        {
            "set_or_add_orient_op": "sets the orientation of a prim",
            "set_or_add_scale_op": "sets the scale of a prim",
            "set_or_add_translate_op": "sets the translation of a prim",
            "setup_transform_as_scale_orient_translate": "gives a prim a translation, an orientation and a scale",
        },
    ),
    "omni.physx.scripts.physicsUtils.add_physics_material_to_prim": (
        "approximated",
        "binds a physics material to a shape; here its dynamic friction acts",
    ),
    "omni.physx.scripts.utils.addRigidBodyMaterial": (
        "approximated",
        "makes a physics material; here its dynamic friction acts",
    ),
}
"""What becomes of each name."""
