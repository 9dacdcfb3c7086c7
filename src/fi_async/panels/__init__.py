"""Several evaluations of one case: repeats and juries, and the one outcome that is made of them."""
