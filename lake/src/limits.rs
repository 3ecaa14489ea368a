//! Every limit, in one place, as a named constant.
//!
//! Each is tested at the limit, one below and one above.

use std::time::Duration;

/// Hits in one body of `POST /hit`.
pub const MAX_HITS_PER_BODY: usize = 500;
/// Bytes of a decoded body of `POST /hit` or of Matomo's bulk: 4 MiB.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a URL, a title, an event field and every other page text (matomo.md 1.2).
pub const MAX_TEXT_BYTES: usize = 1024;
/// Bytes of the user agent that reaches the stream.
pub const MAX_USER_AGENT_BYTES: usize = 512;
/// Bytes of client hints (`uadata`) that reach the stream.
pub const MAX_CLIENT_HINTS_BYTES: usize = 1024;
/// Bytes of a referrer (matomo.md 1.2: stored up to 1,500 characters).
pub const MAX_REFERRER_BYTES: usize = 1500;
/// Bytes of a user id, a search category and the like (matomo.md 1.2).
pub const MAX_ID_BYTES: usize = 200;
/// Bytes of a custom dimension's value (matomo.md 1.2).
pub const MAX_DIMENSION_BYTES: usize = 250;
/// Bytes of an order's items, as JSON.
pub const MAX_ITEMS_BYTES: usize = 8 * 1024;
/// Custom dimensions are numbered 1 to this.
pub const MAX_DIMENSIONS: u8 = 20;
/// Custom dimensions with higher numbers that one request can have; they are kept in `extra`.
pub const MAX_FURTHER_DIMENSIONS: usize = 50;
/// Bytes of one record on the stream; Kinesis takes 1 MiB by default.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;
/// Largest site id.
pub const MAX_SITE_ID: i32 = i32::MAX;
/// How old a hit's time may be without a write token.
pub const MAX_HIT_AGE_MS: i64 = 7 * 24 * 3_600_000;
/// How far ahead of receipt a hit's time may be; later ones become the time of receipt.
pub const MAX_HIT_AHEAD_MS: i64 = 5 * 60_000;
/// A difference between the client's and our clock up to this is left alone.
pub const MAX_CLOCK_SKEW_MS: i64 = 30_000;
/// Matomo's `cdt` without a token: at most 24 hours old (matomo.md 1.1).
pub const MAX_CDT_AGE_MS: i64 = 24 * 3_600_000;
/// Matomo's `cdt` with a token: at most 20 years old (matomo.md 1.2).
pub const MAX_CDT_AUTHENTICATED_AGE_MS: i64 = 20 * 365 * 24 * 3_600_000;
/// A visit ends when the next hit comes this long after the last (matomo.md 3.3).
pub const VISIT_GAP_MS: i64 = 30 * 60_000;
/// A visit ends after this many actions (matomo.md 3.3).
pub const MAX_VISIT_ACTIONS: u32 = 10_000;
/// Seconds that a conversion adds to its visit's duration at most (matomo.md 3.5).
pub const MAX_CONVERSION_EXTRA_S: i32 = 60;
/// Records in one PutRecords call.
pub const MAX_PUT_RECORDS: usize = 500;
/// Bytes in one PutRecords call; under Kinesis's limit of 5 MiB (10 MiB since 2025).
pub const MAX_PUT_BYTES: usize = 4 * 1024 * 1024;
/// A date is merged when its oldest waiting hit has waited this long.
pub const MERGE_AFTER_MS: i64 = 15 * 60_000;
/// Rows of a date's table above which the merge waits longer.
pub const LARGE_DATE_ROWS: u64 = 5_000_000;
/// How long a large date's waiting hits may wait at most.
pub const MERGE_LARGE_AFTER_MS: i64 = 60 * 60_000;
/// A date also counts as large when its waiting hits come at a rate above this many a day: less
/// than [`LARGE_DATE_ROWS`], because waiting hits are reckoned from bytes, by some 30% wrongly.
pub const LARGE_DATE_DAY_ROWS: u64 = LARGE_DATE_ROWS * 2 / 3;
/// The day of that rate.
pub const LARGE_DATE_DAY_MS: i64 = 24 * 3_600_000;
/// A large date is merged when its waiting hits reach the table's rows divided by this.
pub const MERGE_LARGE_SHARE: u64 = 4;
/// How long Lambda lets a function run at most.
pub const LAMBDA_LONGEST_MS: i64 = 15 * 60_000;
/// How long before Lambda ends it a merge says what it found when it began.
pub const MERGE_SAYS_BEFORE_MS: u64 = 5_000;
/// A merge of one part of a date that takes longer warns that the date is to have more parts.
pub const MERGE_SLOW_MS: i64 = LAMBDA_LONGEST_MS / 2;
/// A hot object is deleted when the table has held it for this long.
pub const HOT_KEPT_MS: i64 = 24 * 3_600_000;
/// Accounts of a date without hits to merge are folded together when one is this old.
pub const ACCOUNT_FOLDED_AFTER_MS: i64 = 15 * 60_000;
/// How often the merge looks for hits that are missing.
pub const LEDGER_CHECKED_EVERY_MS: i64 = 60 * 60_000;
/// Memory of a merge without a setting (`HITLAKE_MERGE_MEMORY_MB`), MiB.
pub const MERGE_MEMORY_MB: usize = 512;
/// The least that the setting may be, MiB.
pub const MERGE_LEAST_MEMORY_MB: usize = 256;
/// What a merge's process and its Parquet writer take whatever the date's size.
pub const MERGE_BASE_BYTES: usize = 96 * 1024 * 1024;
/// What a row takes in memory beside its text: keys of dictionaries, numbers, ids.
pub const MERGE_ROW_BYTES: usize = 500;
/// What a row takes beside its text while its visits are worked out (measured).
pub const MERGE_ROW_PEAK_BYTES: usize = 1_800;
/// Sorted runs of a date at most: each is an open file.
pub const MERGE_MAX_RUNS: usize = 512;
/// Most parts of a date.
pub const MAX_PARTS: u16 = 64;
/// A change of the number of parts takes effect this many days ahead at least (DESIGN section 4).
pub const PARTS_AHEAD_DAYS: i64 = 2;
/// Days for which records that could not be read are kept.
pub const REJECTED_KEPT_DAYS: i64 = 30;
/// Bytes of a table object's end that are read first: the footer, mostly.
pub const FOOTER_READ_BYTES: u64 = 128 * 1024;
/// Orders of erasure that are read at once.
pub const ORDER_READS: usize = 32;
/// Ids that an erased person can have; more are an id that many share, and are refused.
pub const MAX_PERSON_IDS: usize = 10_000;
/// How long after an order a Lambda that has not seen it can still write: append's timeout of two
/// minutes, and room. A receipt is final only after that.
pub const ORDER_SEEN_MS: i64 = 150_000;
/// Rejected records of one replayed batch.
pub const MAX_REPLAY_RECORDS: usize = 10_000;
/// Rows of a row group of the table (measured: DESIGN section 4).
pub const ROW_GROUP_ROWS: usize = 32 * 1024;
/// Rows of an object above which its row groups are larger.
pub const LARGE_OBJECT_ROWS: u64 = 1_000_000;
/// Rows of a row group of such an object.
pub const LARGE_ROW_GROUP_ROWS: usize = 128 * 1024;
/// Settings and tokens are read again after this long.
pub const SETTINGS_TTL_MS: i64 = 30_000;
/// By then changed settings and tokens are in force everywhere. Tokens that are as old as this and
/// cannot be read anew open nothing: one of them may have been revoked.
pub const SETTINGS_IN_FORCE_MS: i64 = 60_000;
/// Rows of an answer when `limit` is not given.
pub const DEFAULT_ROW_LIMIT: usize = 100;
/// Dates in one question.
pub const MAX_DATES: i64 = 20 * 366;
/// How long a connection to AWS may take to open.
pub const AWS_CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long one attempt at S3 may take until its answer starts; a part of a large object fits.
pub const S3_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one call to S3 may take, all attempts together.
pub const S3_OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
/// Attempts at one call to AWS, the first included.
pub const AWS_ATTEMPTS: u32 = 4;
/// How often a conditional write is tried again when S3 answers that another one is under way.
pub const S3_CONFLICT_ATTEMPTS: u32 = 5;
/// The wait before the first of these; doubled each time.
pub const S3_CONFLICT_WAIT: Duration = Duration::from_millis(50);
/// Files below this go to S3 in one PUT, larger ones in parts: 16 MiB.
pub const MULTIPART_THRESHOLD_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of one part; S3 takes 5 MiB at least.
pub const MULTIPART_PART_BYTES: u64 = 8 * 1024 * 1024;
/// Parts of one object at most; larger files get larger parts.
pub const MULTIPART_MAX_PARTS: u64 = 10_000;
/// Parts of one object on their way at once; times their size, this bounds the memory.
pub const MULTIPART_CONCURRENCY: usize = 4;
/// Deletions under way at once.
pub const DELETE_CONCURRENCY: usize = 10;
/// A file that a killed program left half written is removed when it is older than this.
pub const STAGED_FILE_MAX_AGE: Duration = Duration::from_secs(24 * 3600);
/// Bytes of the user agent that the table keeps, after versions are cut to the major.
pub const MAX_STORED_USER_AGENT_BYTES: usize = 256;
/// Characters of the keyword that a hit came with (matomo.md 1.2).
pub const MAX_KEYWORD_CHARS: usize = 255;
/// User agents whose meaning one process remembers.
pub const MAX_CACHED_USER_AGENTS: usize = 10_000;
/// Bytes of one line of an imported log; a longer one is unreadable.
pub const MAX_LOG_LINE_BYTES: usize = 64 * 1024;
/// Bytes of a site's settings as JSON.
pub const MAX_SETTINGS_BYTES: usize = 256 * 1024;
/// Bytes of a compiled pattern out of a site's settings.
pub const MAX_PATTERN_BYTES: usize = 1024 * 1024;
/// Days that a site can ask its hits to be kept.
pub const MAX_RETENTION_DAYS: u32 = 36_500;
/// Bytes of a URL that are looked at; clean-up leaves [`MAX_TEXT_BYTES`] of them at most.
pub const MAX_RAW_URL_BYTES: usize = 16 * 1024;
/// Query parameters of one URL among which repeated ones are found.
pub const MAX_URL_PARAMETERS: usize = 64;
/// Bytes of what a hit carries besides its columns (custom variables, product, order's parts).
pub const MAX_EXTRA_BYTES: usize = 4 * 1024;
/// A salt is deleted this long after its period ended.
pub const SALT_KEPT_MS: i64 = 8 * 24 * 3_600_000;
/// A salt made by an import for an older date is deleted this long after its last use.
pub const IMPORT_SALT_KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// The use of an import's salt is noted at most this often.
pub const SALT_USE_NOTED_MS: i64 = 24 * 3_600_000;
/// How long one attempt at Kinesis may take.
pub const KINESIS_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one call to Kinesis may take, all the client's attempts together.
pub const KINESIS_OPERATION_TIMEOUT: Duration = Duration::from_millis(2_500);
/// The longest first pause between attempts of a call to Kinesis; the next is twice as long at
/// most. The SDK's own, a second, often left no time for the last attempt within
/// [`KINESIS_OPERATION_TIMEOUT`].
pub const KINESIS_FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Attempts at one call to Kinesis by the client, the first included.
pub const KINESIS_ATTEMPTS: u32 = 3;
/// Calls for records that Kinesis refused one by one, the first included.
pub const KINESIS_PARTIAL_ATTEMPTS: u32 = 4;
/// How long all calls for one request may take together. Ingest's own timeout is 10 s, so that the
/// client gets an answer and sends again.
pub const KINESIS_PUT_TIMEOUT: Duration = Duration::from_secs(6);
/// Page timings above this are ignored (matomo.md 1.2).
pub const MAX_TIMING_MS: i32 = 16_777_215;
/// Dimensions in one question.
pub const MAX_QUESTION_DIMENSIONS: usize = 3;
/// Levels of the path in `by=section` (matomo.md 3.7).
pub const MAX_SECTION_DEPTH: usize = 10;
/// Bytes of rows, visitors, users and waiting hits that one question keeps in memory, all together:
/// 512 MiB, in a smaller function half of its memory. A question that needs more is refused.
pub const MAX_COUNTED_BYTES: usize = 512 * 1024 * 1024;
/// Table objects up to this are read whole in one GET: 1 MiB.
pub const QUERY_SMALL_OBJECT_BYTES: u64 = 1024 * 1024;
/// Bytes that are read from the end of a larger object for its footer: 512 KiB.
pub const QUERY_FOOTER_BYTES: u64 = 512 * 1024;
/// Ranges of an object that are this close are read together: 128 KiB.
pub const QUERY_COALESCE_BYTES: u64 = 128 * 1024;
/// Bytes of columns that are read and decoded at a time, from one date: 8 MiB.
pub const QUERY_READ_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of footers that a process of query keeps: 64 MiB.
pub const QUERY_FOOTER_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Dates that one question reads at once: a quarter's wait for the store as one.
pub const QUERY_CONCURRENT_DATES: usize = 128;
/// KiB of columns that are read and not decoded yet, of all questions: 96 MiB.
pub const QUERY_BUFFERED_KIB: u32 = 96 * 1024;
/// How often a date is begun again because its objects were replaced meanwhile.
pub const QUERY_DATE_ATTEMPTS: u32 = 6;
/// Sites in one question.
pub const MAX_QUESTION_SITES: usize = 500;
/// Bytes of a question as JSON.
pub const MAX_QUESTION_BYTES: usize = 64 * 1024;
/// Values in one answer, rows times columns; some 130 bytes each while JSON is written: 260 MB.
pub const MAX_ANSWER_VALUES: usize = 2_000_000;
/// Answers from so many bytes on are compressed for clients that take it.
pub const COMPRESSED_FROM_BYTES: usize = 1024;
/// Bytes of the link to the next page in a header; API Gateway takes 10,240 bytes of headers.
pub const MAX_LINK_BYTES: usize = 6 * 1024;
/// Bytes of a name for which the nearest right one is looked for.
pub const MAX_GUESSED_NAME_BYTES: usize = 64;
/// The use of a token is tried to be noted again this long after the store failed.
pub const TOKEN_USE_RETRY_MS: i64 = 10 * 60_000;
/// Questions a minute and token that the setting can allow at most.
pub const MAX_TOKEN_RATE: u32 = 100_000;
/// Minutes that `/live` shows.
pub const LIVE_MINUTES: i64 = 30;
/// Hits that `/live` shows at most.
pub const LIVE_HITS: usize = 20;
/// Bytes of an answer as a Lambda hands it over: 6 MiB, and room for the headers.
pub const LAMBDA_ANSWER_BYTES: usize = 6 * 1024 * 1024 - 64 * 1024;
/// How long the link to a larger answer lasts.
pub const ANSWER_LINK_S: Duration = Duration::from_secs(15 * 60);
/// Bytes of a question's SQL; Athena's limit.
pub const MAX_SQL_BYTES: usize = 256 * 1024;
/// How long one attempt at a call to Athena may take.
pub const ATHENA_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts at one call to Athena, the first included; all of them take 3 s in waits at most.
pub const ATHENA_ATTEMPTS: u32 = 5;
/// The wait before the second of these at most; doubled each time, and a random share of it is taken.
pub const ATHENA_WAIT: Duration = Duration::from_millis(200);
/// How long starting or finding an execution may take, all calls together. A request does either once
/// or both, or fetches a result besides: the function has 29 s.
pub const ATHENA_PATIENCE: Duration = Duration::from_secs(6);
/// How long fetching a result may take, all its pages together.
pub const ATHENA_FETCH: Duration = Duration::from_secs(16);
/// Executions that one question is followed through, because its dates were replaced meanwhile; and
/// failed ones that are passed over before each attempt is one of its own.
pub const ATHENA_RUNS: u32 = 5;
/// Lines of a result that Athena hands over at once; its limit.
pub const ATHENA_PAGE_LINES: u32 = 1000;
/// Lines of a result that are fetched at most: a hundred pages, some 15 seconds.
pub const MAX_ATHENA_LINES: usize = 100_000;
/// How long after its end an execution's result is still asked for; Athena keeps it for a day.
pub const ATHENA_RESULT_MS: i64 = 23 * 3_600_000;
/// Bytes of the id of a query: with what API Gateway and a client add, its 10,240 bytes of request
/// line and headers are not reached.
pub const MAX_QUERY_ID_BYTES: usize = 6 * 1024;
/// Groups of one filter with conditions on one hit of the visit, in SQL: each set of them is asked
/// about by itself.
pub const MAX_SQL_SAME_HIT_GROUPS: usize = 4;
/// Bytes of one filter.
pub const MAX_FILTER_BYTES: usize = 8 * 1024;
/// Conditions of one filter; each has a bit.
pub const MAX_FILTER_TERMS: usize = 100;
