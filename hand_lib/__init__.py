"""Joint by Joint: 3D hand pose from one colour image, every rung of two papers, small enough to read."""
