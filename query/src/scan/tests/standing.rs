//! What is known of dates without reading a row.

use super::*;

#[test]
fn what_a_question_reads_is_known_before() {
    let seeds: Vec<u64> = (0..500).collect();
    run(async {
        let store = store(&seeds, &[]).await;
        let scanner = Scanner::new(Arc::clone(&store));
        let size = store.head(&layout::table_object(DAY, 0)).await.unwrap().size;
        let reads_more = async |query: &str, bytes: u64| {
            let plan = Arc::new(plan(1, &question(query)));
            let sites = [(plan, vec![DAY])];
            let listed = scanner.list(&sites, None).await.unwrap();
            scanner
                .reads_more(&[(&sites, &listed), (&[], &Listed::default())], bytes)
                .await
                .unwrap()
        };
        let few = "from=2026-11-24&metrics=hits";
        let most = "from=2026-11-24&metrics=visitors,users&by=page,browser,city";
        let needed = async |query: &str| {
            let mut bytes = 0;
            while reads_more(query, bytes).await {
                bytes += 1;
            }
            assert!(bytes < size && !reads_more(query, bytes + 1).await, "{query}: {bytes}");
            bytes
        };
        let (few, most) = (needed(few).await, needed(most).await);
        assert!(0 < few && few < most, "{few} and {most} bytes");
    });
}

#[test]
fn the_standing_of_the_table_is_known_without_reading_it() {
    run(async {
        let plan = Arc::new(plan(1, &question("from=2026-11-24")));
        let sites = [(plan, vec![DAY])];
        let standing = async |store: &StoreRef| {
            let scanner = Scanner::new(Arc::clone(store));
            let listed = scanner.list(&sites, None).await.unwrap();
            scanner.standing(&sites, &listed).await.unwrap()
        };
        let merged = standing(&store(&[1, 2, 3], &[]).await).await;
        assert_eq!((merged.first, merged.unerased, merged.waiting.len()), (Some(DAY), None, 0));
        assert!(merged.objects.len() == 1 && merged.written_ms.is_some());
        let waits = store(&[1, 2, 3], &[vec![4]]).await;
        assert_eq!(standing(&waits).await.waiting, BTreeSet::from([DAY]));
        let hot_alone = standing(&store(&[], &[vec![4]]).await).await;
        assert_eq!((hot_alone.first, hot_alone.objects.len()), (None, 0));
        assert_eq!(hot_alone.waiting, BTreeSet::from([DAY]));
        // An order of the other site, and one of dates before, have nothing to do with it.
        for (id, order, unerased) in [
            (
                "3-0-0",
                r#"{"site":3,"whom":{"before":"2026-11-25"},"before_ms":9,"given_ms":9}"#,
                None,
            ),
            (
                "1-0-1",
                r#"{"site":1,"whom":{"before":"2026-11-24"},"before_ms":9,"given_ms":9}"#,
                None,
            ),
            (
                "1-0-2",
                r#"{"site":1,"whom":{"before":"2026-11-25"},"before_ms":9,"given_ms":9}"#,
                Some(DAY),
            ),
        ] {
            let path = Path::from(format!("orders/{id}.json"));
            waits.put(&path, order.into()).await.unwrap();
            assert_eq!(standing(&waits).await.unerased, unerased, "{id}");
        }
    });
}
