//! `hitlake replay`: what was rejected or parked goes through append after all, once a newer program
//! can read it.

use compact::replay::Replay;

use crate::place::Place;

/// Replays everything in `rejected/` and `parked/`.
///
/// # Errors
///
/// When the store fails; what was replayed until then stays so.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub async fn run(place: &Place) -> anyhow::Result<()> {
    let done = Replay { append: place.append() }.run().await?;
    println!(
        "{} rejected records and {} parked batches replayed; {} cannot be read still and stay",
        done.replayed, done.parked, done.unreadable
    );
    Ok(())
}
