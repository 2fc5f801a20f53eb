//! Tasks of the repository: generated files and their checks.

fn main() {}
