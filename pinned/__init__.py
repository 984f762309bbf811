"""What is generated from the pinned NeMo Gym, and what another release would change."""
