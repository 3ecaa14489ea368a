//! Whole-system tests that need no process and no wire: ingest, append, merge and query over one
//! memory store. What needs the shipped binaries is in Python beside this.

#[cfg(test)]
mod beside;
#[cfg(test)]
mod bots;
#[cfg(test)]
#[path = "../bench/questions/distant.rs"]
mod distant;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod events;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod house;
#[cfg(test)]
mod http;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod older;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod order;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod rounds;
