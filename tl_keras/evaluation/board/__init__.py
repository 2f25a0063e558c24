"""What TensorBoard shows of an evaluated classifier; these modules know no run."""
