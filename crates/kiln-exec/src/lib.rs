//! Runs what the graph asks for: job slots, jobserver, process start, output sync, signals.
