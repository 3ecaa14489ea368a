//! What the merge promises, over stores that behave and stores that do not.

mod equality;
mod faults;
mod parts;
mod replay;
mod world;
