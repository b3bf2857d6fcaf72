//! Kernel trees: where they are, what they are and what they can do.
