//! Sweep benchmark.

fn main() {}
