//! `hitlake erase`: remove a person's hits, or those before a date, from everything.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use lake::hit::Id64;
use lake::limits::MAX_ID_BYTES;
use lake::orders::{Order, Receipt, State, Whom, give, new_id, status};
use lake::site::read_site;

use crate::cli::EraseArgs;
use crate::error::{Interrupted, Usage};
use crate::place::Place;

/// How often it is tried again while appends may be under way that have not seen the order.
const EVERY: Duration = Duration::from_secs(10);

/// Gives the order and carries it out; returns when no copy is left.
///
/// # Errors
///
/// When the question is wrong (exit code 2) or the store fails; the order stands then, and
/// `hitlake serve` or the erase function goes on with it.
pub async fn run(place: &Place, args: &EraseArgs) -> anyhow::Result<()> {
    let whom = whom(place, args).await?;
    // What was sent before is to be in the table: its visits tell whose hits those before the
    // login were.
    place.entry().await?.drain().await?;
    let now_ms = place.clock.now_ms();
    let id = new_id(args.site, now_ms, place.random.next_u128());
    let order = Order { site: args.site, whom, before_ms: now_ms, given_ms: now_ms };
    give(&place.store, &id, &order).await.context("giving the order")?;
    let receipt = tokio::select! {
        receipt = carry_out(place, &id) => receipt?,
        _ = tokio::signal::ctrl_c() => return Err(Interrupted.into()),
    };
    print(&id, &receipt);
    Ok(())
}

async fn whom(place: &Place, args: &EraseArgs) -> anyhow::Result<Whom> {
    let site =
        read_site(&place.store, args.site).await.map_err(|error| Usage(error.to_string()))?;
    let asked = &args.whom;
    if let Some(date) = asked.before {
        let today = site.local_date(place.clock.now_ms());
        if date > today {
            let text = format!("--before {date} lies ahead; the last date allowed is {today}");
            return Err(Usage(text).into());
        }
        return Ok(Whom::Before(date));
    }
    let (mut ids, mut user_ids) = (BTreeSet::new(), BTreeSet::new());
    if let Some(user) = &asked.user_id {
        let length = user.len();
        if user.is_empty() || length > MAX_ID_BYTES {
            let text = format!("--user-id has {length} bytes; allowed: 1 to {MAX_ID_BYTES}");
            return Err(Usage(text).into());
        }
        user_ids.insert(user.clone());
    }
    if let Some(visitor) = &asked.visitor {
        let id = Id64::of_visitor(visitor).ok_or_else(|| Usage("--visitor is empty".to_owned()))?;
        ids.insert(id);
    }
    Ok(Whom::Person { ids, user_ids })
}

async fn carry_out(place: &Place, id: &str) -> anyhow::Result<Receipt> {
    let erase = place.erase();
    erase.close().await?;
    loop {
        // What an append took before it saw the order is in hot objects then.
        place.entry().await?.drain().await?;
        erase.carry_out().await?;
        let receipt = status(&place.store, id).await?;
        let receipt = receipt.with_context(|| format!("the order {id} was withdrawn"))?;
        if receipt.state == State::Done {
            return Ok(receipt);
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn print(id: &str, receipt: &Receipt) {
    println!(
        "erasure {id} done: {} objects rewritten, their rows {} before and {} after",
        receipt.objects_rewritten, receipt.rows_before, receipt.rows_after
    );
}
