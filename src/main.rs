//! Composition root: reads the flags, wires the parts, exits with a code.

fn main() {}
