//! Which hits are conversions, and which goals they reach besides.
//!
//! A goal that counts once a visit counts where the visit first reaches it; an order counts once
//! a visitor and date, however often its page is loaded again. A cart is no conversion.

use std::collections::HashSet;

use super::{VisitHit, Visits};
use crate::goals::Reached;
use crate::hit::Kind;

/// A conversion: of the hit itself, or of a goal that it reaches by pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conversion {
    /// The hit.
    pub hit: usize,
    /// The goal reached by pattern; none when the hit itself is a goal or an order.
    pub by_pattern: Option<Reached>,
}

pub(super) fn conversions(
    hits: &[VisitHit],
    visits: &Visits,
    goals: &[Vec<Reached>],
) -> Vec<Conversion> {
    let mut counted = Counted::default();
    let mut found = Vec::new();
    for (index, hit) in hits.iter().enumerate() {
        let Some(visit) = visits.visit_of.get(index).copied().flatten() else { continue };
        let reached = goals.get(hit.goals as usize).map(Vec::as_slice).unwrap_or_default();
        match hit.kind {
            Kind::Goal => {
                let own = reached.iter().find(|reached| Some(reached.goal) == hit.goal);
                let counts = match (hit.goal, own) {
                    (Some(goal), Some(own)) => own.each || counted.goals.insert((visit, goal)),
                    _ => true,
                };
                found.extend(counts.then_some(Conversion { hit: index, by_pattern: None }));
            }
            Kind::Order => {
                let visitor = visits.visits.get(visit as usize).map_or(0, |visit| visit.visitor);
                let counts = hit.order.is_some_and(|order| counted.orders.insert((visitor, order)));
                found.extend(counts.then_some(Conversion { hit: index, by_pattern: None }));
            }
            _ => {
                let new = reached
                    .iter()
                    .filter(|reached| reached.each || counted.goals.insert((visit, reached.goal)));
                found.extend(
                    new.map(|&reached| Conversion { hit: index, by_pattern: Some(reached) }),
                );
            }
        }
    }
    found
}

#[derive(Default)]
struct Counted {
    /// Visit and goal.
    goals: HashSet<(u32, i32)>,
    /// Visitor and order.
    orders: HashSet<(u64, u64)>,
}
