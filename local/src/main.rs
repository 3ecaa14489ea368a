//! The program `hitlake`.
fn main() {}
