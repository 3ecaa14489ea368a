//! `hitlake serve`: everything in one process.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use compact::erase::Erase;
use compact::merge::{Merge, Request};
use lake::site::{SiteError, SiteSettings, put_site, read_site};
use lake::stream::HitStream;
use lake::token::{add_token, list_tokens};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

use crate::cli::ServeArgs;
use crate::front::{self, Front};
use crate::internal::{Contact, Internal};
use crate::pipeline::Pipeline;
use crate::place::{Holder, Place};

/// How often it is looked whether a date is due to be merged.
const MERGE_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// How often it is looked whether something is to be erased, besides at once when it is asked for.
const ERASE_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
///
/// When the folder is in use, the address is taken, or the stream fails.
pub async fn run(place: &Place, args: &ServeArgs) -> anyhow::Result<()> {
    place.check_stream()?;
    let _lock = match place.lock().await? {
        Holder::Us(lock) => lock,
        Holder::Serve(_, refused) => return Err(refused.into()),
    };
    let token = first_start(place).await?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| {
        format!("listening on {}; choose another address with --listen", args.listen)
    })?;
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let Hits { stream, internal } = Hits::open(place, address).await?;
    let pipeline = internal.as_ref().map(|internal| Arc::clone(&internal.pipeline));
    let query = place.query();
    let upkeep = Upkeep {
        merge: place.merge(),
        erase: place.erase(),
        erasures: Arc::clone(&query.erasures),
    };
    let front = Front { ingest: place.ingest(stream), query, internal };
    // Listened for before anybody can know that we serve.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    greet(place, address, token.as_deref());
    let serving = tokio::spawn(front::run(Arc::new(front), listener, stopped.clone()));
    let mut consuming = tokio::spawn(consume(pipeline, upkeep, stopped.clone()));
    let ended = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        ended = &mut consuming => Some(ended),
    };
    stop.send_replace(true);
    serving.await??;
    match ended {
        Some(ended) => ended?.context("the poller ended"),
        None => consuming.await?,
    }
}

/// Where hits go, and what other commands may ask about them.
struct Hits {
    stream: Arc<dyn HitStream>,
    internal: Option<Internal>,
}

impl Hits {
    async fn open(place: &Place, address: std::net::SocketAddr) -> anyhow::Result<Self> {
        if let Some(kinesis) = &place.kinesis {
            return Ok(Self { stream: Arc::clone(kinesis), internal: None });
        }
        let pipeline = place.pipeline().await?;
        let secret = format!("{:032x}", place.random.next_u128());
        let contact = Contact { address, secret, pid: std::process::id() };
        contact.write(&place.data)?;
        let stream = Arc::clone(&pipeline.stream) as Arc<dyn HitStream>;
        Ok(Self { stream, internal: Some(Internal { secret: contact.secret, pipeline }) })
    }
}

/// What is done beside the stream.
struct Upkeep {
    merge: Merge,
    erase: Erase,
    /// Told of each erasure that is asked for.
    erasures: Arc<Notify>,
}

/// Append, merge and erase, until told to stop; behind Kinesis they run as Lambdas.
async fn consume(
    pipeline: Option<Arc<Pipeline>>,
    upkeep: Upkeep,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let Some(pipeline) = pipeline else {
        let _ = stop.wait_for(|stop| *stop).await;
        return Ok(());
    };
    let Upkeep { merge, erase, erasures } = upkeep;
    let merging = tokio::spawn(merge_now_and_then(merge, stop.clone()));
    let erasing =
        tokio::spawn(erase_when_asked(erase, (Arc::clone(&pipeline), erasures), stop.clone()));
    pipeline.run(stop).await?;
    merging.await?;
    Ok(erasing.await?)
}

/// On the first start in a folder: site 1, and a token that is kept in `first-token`, written last.
/// A store that others use as well has had its first start once it has tokens.
async fn first_start(place: &Place) -> anyhow::Result<Option<String>> {
    let file = first_token(place);
    if file.exists() || place.is_shared && !list_tokens(&place.store).await?.is_empty() {
        return Ok(None);
    }
    if matches!(read_site(&place.store, 1).await, Err(SiteError::Unknown(1))) {
        let site = SiteSettings::parse(r#"{"id":1,"name":"My site"}"#)?;
        put_site(&place.store, &site, place.clock.now_ms(), false).await?;
    }
    let token =
        add_token(&place.store, place.random.as_ref(), place.clock.now_ms(), (true, true), None)
            .await?;
    crate::private_file::write(&file, format!("{token}\n").as_bytes())?;
    Ok(Some(token))
}

fn first_token(place: &Place) -> PathBuf {
    place.data.join("first-token")
}

#[expect(clippy::print_stdout, reason = "what the user is told")]
fn greet(place: &Place, address: std::net::SocketAddr, token: Option<&str>) {
    let file = first_token(place);
    let (shown, kept) = match token {
        Some(token) => (token.to_owned(), format!("{token} (kept in {})", file.display())),
        None if file.exists() => {
            (format!("$(cat {})", file.display()), format!("in {}", file.display()))
        }
        None => ("TOKEN".to_owned(), "hitlake token add makes one".to_owned()),
    };
    println!("hitlake: http://{address}");
    println!(
        "  tracker   <script defer src=\"http://{address}/tracker.js\" data-site=\"1\"></script>"
    );
    println!("  demo page http://{address}/demo");
    println!("  token     {kept}");
    println!(
        "  metrics   curl -H \"Authorization: Bearer {shown}\" 'http://{address}/v1/sites/1/metrics?metrics=pageviews,visits,visitors&by=page'"
    );
}

async fn merge_now_and_then(merge: Merge, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(MERGE_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = merge.handle(Request::default()).await {
            tracing::error!("merge failed and is tried again in a minute: {error:#}");
        }
    }
}

/// Carries out orders of erasure as they come, and looks for those of retention now and then.
async fn erase_when_asked(
    erase: Erase,
    (pipeline, asked): (Arc<Pipeline>, Arc<Notify>),
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let erased = async {
            erase.keep_retention().await?;
            if erase.close().await? {
                // What an append took before it saw an order is in hot objects then.
                pipeline.drain().await?;
                erase.carry_out().await?;
            }
            Ok::<(), anyhow::Error>(())
        };
        tokio::select! {
            erased = erased => if let Err(error) = erased {
                tracing::error!("erasure failed and is tried again in a minute: {error:#}");
            },
            _ = stop.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(ERASE_EVERY) => {}
            () = asked.notified() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
