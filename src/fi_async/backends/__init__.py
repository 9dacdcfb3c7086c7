"""Who answers beside the platform: judges of the user's own, what they are asked by, and what they cost."""
