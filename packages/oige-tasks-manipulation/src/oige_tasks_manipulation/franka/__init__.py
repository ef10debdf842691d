"""The Franka Panda, the robot of tasks with one arm and a gripper."""
