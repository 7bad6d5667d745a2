"""The paper's training protocol as a short explicit loop: recipe, batches, loop, evaluation, checkpoint."""
