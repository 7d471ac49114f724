"""What is kept: photos, dataset versions, model versions, and the words they are described in."""
