//! Row groups and pages: which of them a question reads.

use arrow::array::AsArray as _;
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use lake::limits::QUERY_SMALL_OBJECT_BYTES;
use lake::store::faulty::FaultyStore;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::*;

/// The same file with row groups and pages of so many rows.
pub(super) fn laid_out(file: Bytes, group_rows: usize, page_rows: usize) -> Bytes {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let keys = reader.metadata().file_metadata().key_value_metadata().cloned();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .set_data_page_row_count_limit(page_rows)
        .set_write_batch_size(page_rows)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_key_value_metadata(keys)
        .build();
    let options =
        ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let schema = Arc::clone(reader.schema());
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options).unwrap();
    reader.build().unwrap().for_each(|batch| writer.write(&batch.unwrap()).unwrap());
    writer.into_inner().unwrap().into()
}

fn metadata(file: &Bytes) -> ArrowReaderMetadata {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    ArrowReaderMetadata::load(file, options).unwrap()
}

#[test]
fn a_site_is_found_among_others() {
    const PAGE_ROWS: usize = 10;
    let seeds: Vec<u64> = (0..1000).map(|seed| seed * 7919).collect();
    let rows = assemble(&many(&seeds), &Goals::default()).unwrap().rows;
    let sites = rows.column_by_name("site").unwrap().as_primitive::<Int32Type>();
    for group_rows in [70, 10_000] {
        let file = parquet_file::encode(&rows, &Holds::default()).unwrap();
        let metadata = metadata(&laid_out(file, group_rows, PAGE_ROWS));
        let found = |site| prune::pieces(metadata.metadata(), site);
        assert!(found(3).is_empty());
        for site in [1, 2] {
            let there = sites.values().iter().filter(|it| **it == site).count();
            let read: usize = found(site).iter().map(|it| it.rows.len()).sum();
            assert!(there > 300 && read < rows.num_rows(), "{read} of {}", rows.num_rows());
            // One page of both sites, and the ends of row groups and pages fall together.
            assert!((there..there + PAGE_ROWS).contains(&read), "{read} rows for {there}");
        }
    }
}

#[test]
fn a_footer_that_the_first_read_lacks_comes_with_its_page_index_in_one_more() {
    run(async {
        let seeds: Vec<u64> = (0..300).collect();
        let rows = assemble(&many(&seeds), &Goals::default()).unwrap().rows;
        let file = parquet_file::encode(&rows, &Holds::default()).unwrap();
        let file = laid_out(file, 5, 5);
        let store: StoreRef = Arc::new(MemoryStore::new());
        let path = layout::table_object(DAY, 0);
        store.put(&path, file.into()).await.unwrap();
        let listed = store.head(&path).await.unwrap();
        assert!(listed.size > QUERY_SMALL_OBJECT_BYTES);
        for (reads, is_enough) in [(1, false), (2, true)] {
            let seen: StoreRef = Arc::new(FaultyStore::dying(Arc::clone(&store), reads, false));
            let footer = Scanner::new(seen).table_footer(&listed).await;
            assert_eq!(footer.is_ok(), is_enough, "{reads} reads");
        }
    });
}

#[test]
fn what_the_dictionaries_rule_out_is_not_decoded_nor_counted_as_read() {
    run(async {
        let seeds: Vec<u64> = (0..200).collect();
        let scanner = Scanner::new(store_of(&many(&seeds), &[], Some(20)).await);
        let groups = async |query: &str| {
            let query = format!("from=2026-11-24&metrics=hits&bots=include&{query}");
            let plan = ask(&scanner, &question(&query)).await.0;
            plan.work.explained()["row_groups"].as_u64().unwrap()
        };
        let all = groups("").await;
        assert!((3..12).contains(&all), "site 1 has some of them: {all}");
        assert_eq!(groups("filter=country==x").await, all);
        assert_eq!(groups("filter=country==z").await, 0);
    });
}

#[test]
fn a_row_group_whose_dictionary_has_no_such_entry_is_ruled_out() {
    let seeds: Vec<u64> = (0..200).collect();
    let rows = assemble(&hits(&seeds), &Goals::default()).unwrap().rows;
    let bytes = parquet_file::encode(&rows, &Holds::default()).unwrap();
    let metadata = metadata(&bytes);
    let whole = 0..bytes.len() as u64;
    let (ranges, bytes) = (std::slice::from_ref(&whole), std::slice::from_ref(&bytes));
    let fetched = dictionary::Fetched { ranges, bytes };
    let ruled_out = |query: &str| {
        let question = question(&format!("from=2026-11-24&{query}"));
        let zone_of = |_| TimeZone::UTC;
        let calendar = Calendar::new((DAY, DAY), question.interval, &zone_of, false, false);
        dictionary::rules_out(&Plan::new(1, &question, calendar), metadata.metadata(), 0, &fetched)
    };
    for (query, expected) in [
        ("filter=country==x", false),
        ("filter=country==z", true),
        ("filter=country==z,country==x", false),
        ("filter=country==z,country=@z", true),
        ("filter=country==z,device==x", false),
        ("filter=country!=x", false),
        ("filter=country==", false),
        ("filter=country==x;device==z", true),
        ("section=/news", false),
        ("section=/none", true),
        ("by=download", false),
        ("bots=only", false),
    ] {
        assert_eq!(ruled_out(query), expected, "{query}");
    }
}
