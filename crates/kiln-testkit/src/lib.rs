//! For tests: throw-away trees, the reference runner, tree comparison.
