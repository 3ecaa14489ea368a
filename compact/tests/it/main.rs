//! What the merge promises, over stores that behave and stores that do not.

#[cfg(test)]
mod append;
#[cfg(test)]
mod equality;
#[cfg(test)]
mod erase;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod older;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod reapply;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod shares;
#[cfg(test)]
mod world;
