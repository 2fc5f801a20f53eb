//! The process: arguments, logs, exit code.

fn main() {}
