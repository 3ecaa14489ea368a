//! Where a command works: the local folder, or a store and stream on AWS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use compact::append::Append;
use compact::enrich::Enricher;
use compact::erase::Erase;
use compact::merge::Merge;
use ingest::handler::Counters;
use ingest::places::Places;
use lake::clock::{Clock, Random, SystemClock, SystemRandom};
use lake::environment::Environment;
use lake::limits::{ORDER_SEEN_MS, SETTINGS_TTL_MS};
use lake::salt::Salts;
use lake::site::SiteCache;
use lake::store::aws::Aws;
use lake::store::{StoreRef, StoreUrl, StreamUrl};
use lake::stream::HitStream;
use lake::token::TokenCache;
use query::athena::Athena;
use query::settings::ApiSettings;

use crate::appended::AppendedStream;
use crate::cli::PlaceArgs;
use crate::error::Usage;
use crate::internal::{Contact, RemoteStream, Waiting};
use crate::lock::{DataLock, LockError};
use crate::pipeline::Pipeline;
use crate::stream::EmbeddedStream;

/// Settings are read again after this long where store and program are on one machine.
const LOCAL_TTL_MS: i64 = 500;

/// How long one command waits for another, and how often it looks.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_LOOK: Duration = Duration::from_millis(100);

/// A shared store without its stream.
const NO_STREAM: &str = "--store s3://... needs --stream kinesis:NAME (or HITLAKE_STREAM): what waits on this folder's own stream would be put into that store";

/// An opened place.
#[derive(Debug)]
pub struct Place {
    /// The data folder.
    pub data: PathBuf,
    /// Hits, table and settings.
    pub store: StoreRef,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Kinesis, where hits go there instead of onto the folder's stream.
    pub kinesis: Option<Arc<dyn HitStream>>,
    merge: Merge,
    places: Arc<Places>,
    api: ApiSettings,
    /// Where Lambda parks batches.
    parked: Option<StoreRef>,
    athena: Option<Arc<Athena>>,
    ttl_ms: i64,
    order_seen_ms: i64,
    /// Whether the store is one that others use as well.
    pub is_shared: bool,
}

/// Who has the data folder to itself.
pub enum Holder {
    /// This process.
    Us(DataLock),
    /// A running `serve`: how to ask it, and what to say where that is no use.
    Serve(Contact, LockError),
}

/// A stream to put hits on, and how to wait until answers show them.
pub enum Entry {
    /// That of a running `serve`.
    Running(Arc<RemoteStream>),
    /// Our own; the lock is held as long as this.
    Own(Arc<Pipeline>, DataLock),
    /// Kinesis; append runs elsewhere.
    Kinesis(Arc<AppendedStream>),
}

impl Place {
    /// Opens what the arguments name.
    ///
    /// # Errors
    ///
    /// When a value is wrong or the store cannot be opened.
    pub async fn open(args: &PlaceArgs) -> anyhow::Result<Self> {
        let aws = Arc::new(Aws::new(&Environment::process()));
        let usage = |name: &str, error: &dyn std::fmt::Display| {
            anyhow::Error::from(Usage(format!("{name}: {error}")))
        };
        // A variable that is set and empty is as good as none.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let url = match given(&args.store) {
            Some(text) => text
                .parse::<StoreUrl>()
                .map_err(|error| usage("--store (HITLAKE_STORE)", &error))?,
            None => StoreUrl::Folder(args.data.join("store")),
        };
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let kinesis = match given(&args.stream) {
            None => None,
            Some(text) => {
                let StreamUrl::Kinesis { name } =
                    text.parse().map_err(|error| usage("--stream (HITLAKE_STREAM)", &error))?;
                let stream: Arc<dyn HitStream> = Arc::new(ingest::kinesis::KinesisStream::new(
                    &aws.kinesis().await,
                    name,
                    Arc::clone(&random),
                ));
                Some(stream)
            }
        };
        let store = lake::store::open(&url, &aws)
            .await
            .with_context(|| format!("opening the store {url}"))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let merge = Merge::new(Arc::clone(&store), Arc::clone(&clock), std::env::temp_dir())
            .with_memory_of(&Environment::process())
            .map_err(|error| Usage(error.to_string()))?;
        let places = Places::from_environment(&Environment::process())
            .map_err(|error| Usage(error.to_string()))?;
        let places = Arc::new(places);
        let api = ApiSettings::from_environment(&Environment::process())
            .map_err(|error| Usage(error.to_string()))?;
        let parked = lake::store::open_parked(&Environment::process(), &aws)
            .await
            .map_err(|error| Usage(error.to_string()))?;
        let athena = api.athena.clone().map(|settings| {
            let (clock, random) = (Arc::clone(&clock), Arc::clone(&random));
            Arc::new(Athena::new(settings, Arc::clone(&aws), clock, random))
        });
        let is_shared = matches!(url, StoreUrl::S3 { .. });
        let ttl_ms = if is_shared { SETTINGS_TTL_MS } else { LOCAL_TTL_MS };
        // Appends on this machine can be waited for, those of others not.
        let order_seen_ms = if is_shared || kinesis.is_some() { ORDER_SEEN_MS } else { 0 };
        let data = args.data.clone();
        Ok(Self {
            data,
            store,
            clock,
            random,
            kinesis,
            merge,
            places,
            api,
            parked,
            athena,
            ttl_ms,
            order_seen_ms,
            is_shared,
        })
    }

    /// The ingest handler over a stream.
    #[must_use]
    pub fn ingest(&self, stream: Arc<dyn HitStream>) -> ingest::handler::Ingest {
        ingest::handler::Ingest {
            sites: self.sites(),
            tokens: self.tokens(),
            salts: Salts::new(
                Arc::clone(&self.store),
                Arc::clone(&self.random),
                Arc::clone(&self.clock),
            ),
            stream,
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            origin_secret: None,
            places: Arc::clone(&self.places),
            counters: Counters::default(),
        }
    }

    /// The query handler.
    #[must_use]
    pub fn query(&self) -> query::handler::Query {
        query::handler::Query::new(
            Arc::clone(&self.store),
            self.sites(),
            self.tokens(),
            Arc::clone(&self.clock),
        )
        .with_settings(self.api.clone())
        .with_parked(self.parked.clone())
        .with_athena(self.athena.clone())
    }

    /// Append.
    #[must_use]
    pub fn append(&self) -> Append {
        Append::new(Arc::clone(&self.store), Arc::new(Enricher::default()))
    }

    /// The merge.
    #[must_use]
    pub fn merge(&self) -> Merge {
        self.merge.clone()
    }

    /// Erasure.
    #[must_use]
    pub fn erase(&self) -> Erase {
        Erase::new(self.merge(), self.order_seen_ms)
    }

    fn sites(&self) -> SiteCache {
        SiteCache::new(Arc::clone(&self.store), Arc::clone(&self.clock), self.ttl_ms)
    }

    fn tokens(&self) -> TokenCache {
        TokenCache::new(Arc::clone(&self.store), Arc::clone(&self.clock), self.ttl_ms)
    }

    /// Opens the embedded stream and what consumes it; the lock must be held.
    ///
    /// # Errors
    ///
    /// When the stream's files cannot be used.
    pub async fn pipeline(&self) -> anyhow::Result<Arc<Pipeline>> {
        let stream = Arc::new(EmbeddedStream::open(&self.data, Arc::clone(&self.clock))?);
        let append = self.append();
        let chance = (Arc::clone(&self.clock), Arc::clone(&self.random));
        Ok(Arc::new(Pipeline::open(stream, append, chance).await?))
    }

    /// Refuses a store that others use as well without its stream.
    ///
    /// # Errors
    ///
    /// [`Usage`] then.
    pub fn check_stream(&self) -> Result<(), Usage> {
        if self.is_shared && self.kinesis.is_none() {
            return Err(Usage(NO_STREAM.to_owned()));
        }
        Ok(())
    }

    /// The stream to put hits on: Kinesis, that of a running `serve`, or our own.
    ///
    /// # Errors
    ///
    /// When none of them can be had.
    pub async fn entry(&self) -> anyhow::Result<Entry> {
        if let Some(kinesis) = &self.kinesis {
            let stream = AppendedStream::new(Arc::clone(kinesis), Arc::clone(&self.store));
            return Ok(Entry::Kinesis(Arc::new(stream)));
        }
        self.check_stream()?;
        match self.lock().await? {
            Holder::Us(lock) => Ok(Entry::Own(self.pipeline().await?, lock)),
            Holder::Serve(contact, _) => {
                Ok(Entry::Running(Arc::new(RemoteStream::connect(contact).await?)))
            }
        }
    }

    /// Takes the data folder's lock, or finds the `serve` that has it; waits a while for a command,
    /// which has it only as long as it works.
    ///
    /// # Errors
    ///
    /// [`LockError`] when a command has it still, or the lock cannot be made.
    pub async fn lock(&self) -> anyhow::Result<Holder> {
        let mut waited = Duration::ZERO;
        loop {
            let refused = match DataLock::try_acquire(&self.data) {
                Ok(lock) => return Ok(Holder::Us(lock)),
                Err(refused @ LockError::Held { .. }) => refused,
                Err(error) => return Err(error.into()),
            };
            let contact = Contact::read(&self.data)?;
            match contact.filter(|contact| refused.is_of(contact.pid)) {
                Some(contact) => return Ok(Holder::Serve(contact, refused)),
                None if waited >= LOCK_PATIENCE => return Err(refused.into()),
                None => tokio::time::sleep(LOCK_LOOK).await,
            }
            waited += LOCK_LOOK;
        }
    }
}

impl Entry {
    /// The stream.
    #[must_use]
    pub fn stream(&self) -> Arc<dyn HitStream> {
        match self {
            Self::Running(remote) => Arc::clone(remote) as Arc<dyn HitStream>,
            Self::Own(pipeline, _) => Arc::clone(&pipeline.stream) as Arc<dyn HitStream>,
            Self::Kinesis(kinesis) => Arc::clone(kinesis) as Arc<dyn HitStream>,
        }
    }

    /// Returns when answers show what was put.
    ///
    /// # Errors
    ///
    /// When the pollers or the running `serve` have ended, or append does not run behind Kinesis.
    pub async fn drain(&self) -> anyhow::Result<()> {
        match self {
            Self::Running(remote) => remote.drain().await,
            Self::Own(pipeline, _) => pipeline.drain().await,
            Self::Kinesis(kinesis) => kinesis.drain().await,
        }
    }

    /// What waits on the stream; unknown on Kinesis.
    ///
    /// # Errors
    ///
    /// When the running `serve` has ended.
    pub async fn waiting(&self) -> anyhow::Result<Option<Waiting>> {
        match self {
            Self::Running(remote) => remote.waiting().await.map(Some),
            Self::Own(pipeline, _) => Ok(Some(pipeline.waiting())),
            Self::Kinesis(_) => Ok(None),
        }
    }
}
