//! What a question may keep in memory.

use super::*;

#[test]
fn what_needs_too_much_memory_is_refused() {
    let seeds: Vec<u64> = (0..300).collect();
    run(async {
        let scanner = Scanner::new(store(&seeds, &[]).await);
        let plan =
            ask(&scanner, &question("from=2026-11-24&by=page,title&metrics=visitors")).await.0;
        let sites = [(Arc::clone(&plan), vec![DAY])];
        let within = async |bytes: usize| {
            let memory = Memory::new(bytes);
            let pool = Arc::new(Pool::new(&plan, &memory));
            let lists = scanner.lists(&[&[DAY]], &|site| site == plan.site).await?;
            let counted = scanner.count(&sites, lists, &pool).await;
            counted.map(|_| memory.bytes())
        };
        let needed = within(usize::MAX).await.unwrap();
        assert!(needed > 1000, "{needed}");
        assert!(within(needed).await.is_ok() && within(needed + 1).await.is_ok());
        let refused = within(needed - 1).await.unwrap_err();
        assert!(matches!(refused, ScanError::TooLarge { limit } if limit == needed - 1));
        assert!(refused.to_string().contains("fewer dimensions"), "{refused}");
    });
}

/// A table with the hits of the first seeds, and as many of the last that wait.
async fn partly_merged(hits: usize, waiting: usize) -> StoreRef {
    let seeds: Vec<u64> = (0..hits as u64).collect();
    let (merged, waiting) = seeds.split_at(hits - waiting);
    store_of(&many(merged), &[many(waiting)], None).await
}

/// Why a question of 2,000 hits of which some wait is refused, if it has so much memory.
async fn refused_at(bytes: usize, waiting: usize) -> Option<ScanError> {
    let scanner = Scanner::new(partly_merged(2_000, waiting).await).with_memory(bytes);
    let plan = Arc::new(plan(1, &question("from=2026-11-24&metrics=hits")));
    let sites = [(Arc::clone(&plan), vec![DAY])];
    let listed = scanner.list(&sites, None).await.unwrap();
    scanner.scan(&sites, listed, &scanner.memory()).await.err()
}

#[test]
fn what_waits_needs_memory_that_is_refused_before_it_is_read() {
    run(async {
        // Ids of a thousand hits.
        let few = 1_000 * 3 * 36;
        assert!(refused_at(few, 0).await.is_none(), "none of them is needed");
        let refused = refused_at(few, 20).await;
        assert!(matches!(refused, Some(ScanError::TooLarge { limit }) if limit == few));
        assert!(refused_at(100 * few, 20).await.is_none());
    });
}

#[test]
fn the_rows_of_a_day_need_memory() {
    run(async {
        let rows = async |bytes: usize, waiting: usize| {
            let scanner = Scanner::new(partly_merged(500, waiting).await).with_memory(bytes);
            let plan = plan(1, &question("from=2026-11-24&metrics=hits,users&by=page"));
            scanner.rows(&Arc::new(plan), &[DAY]).await.map(|rows| rows.len())
        };
        for waiting in [0, 1] {
            assert!(rows(MAX_COUNTED_BYTES, waiting).await.unwrap() > 0);
            assert!(matches!(rows(1_000, waiting).await, Err(ScanError::TooLarge { .. })));
        }
    });
}

#[test]
fn both_ranges_of_a_comparison_share_one_memory() {
    let seeds: Vec<u64> = (0..300).collect();
    run(async {
        let scanner = Scanner::new(store(&seeds, &[]).await);
        let plan = Arc::new(plan(1, &question("from=2026-11-24&by=page,title&metrics=visitors")));
        let sites = [(Arc::clone(&plan), vec![DAY])];
        let scan = async |memory: &Arc<Memory>| {
            let listed = scanner.list(&sites, None).await.unwrap();
            scanner.scan(&sites, listed, memory).await.map(|_| memory.bytes())
        };
        let one = scan(&Memory::new(usize::MAX)).await.unwrap();
        let memory = Memory::new(one * 2 - 1);
        assert!(scan(&memory).await.is_ok());
        assert!(matches!(scan(&memory).await, Err(ScanError::TooLarge { .. })));
    });
}
