//! One object read, whole or in part, or only looked at.

use std::ops::Range;
use std::time::SystemTime;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, Error, Extensions, GetOptions, GetResult, GetResultPayload, ObjectMeta, Result,
};

use super::{NAME, S3Store, error};

impl S3Store {
    pub(super) async fn head_object(&self, path: &Path, options: &GetOptions) -> Result<GetResult> {
        let found = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(self.key(path))
            .set_if_match(options.if_match.clone())
            .set_if_none_match(options.if_none_match.clone())
            .set_if_modified_since(options.if_modified_since.map(date))
            .set_if_unmodified_since(options.if_unmodified_since.map(date))
            .send()
            .await
            .map_err(|error| error::read(path, error))?;
        let size = size_of(found.content_length())?;
        let meta = meta(path.clone(), found.last_modified(), size, found.e_tag())?;
        Ok(result(meta, 0..size, stream::empty().boxed()))
    }

    pub(super) async fn get_object(&self, path: &Path, options: &GetOptions) -> Result<GetResult> {
        if let Some(range) = &options.range {
            range.is_valid().map_err(generic)?;
        }
        let found = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.key(path))
            .set_range(options.range.as_ref().map(ToString::to_string))
            .set_if_match(options.if_match.clone())
            .set_if_none_match(options.if_none_match.clone())
            .set_if_modified_since(options.if_modified_since.map(date))
            .set_if_unmodified_since(options.if_unmodified_since.map(date))
            .send()
            .await
            .map_err(|error| error::read(path, error))?;
        let (range, size) = extent(&found, options.range.is_some())?;
        let meta = meta(path.clone(), found.last_modified(), size, found.e_tag())?;
        Ok(result(meta, range, chunks(found.body)))
    }
}

fn result(
    meta: ObjectMeta,
    range: Range<u64>,
    bytes: BoxStream<'static, Result<Bytes>>,
) -> GetResult {
    let payload = GetResultPayload::Stream(bytes);
    GetResult {
        payload,
        meta,
        range,
        attributes: Attributes::default(),
        extensions: Extensions::default(),
    }
}

/// Which bytes came, and how large the whole object is.
fn extent(found: &GetObjectOutput, asked: bool) -> Result<(Range<u64>, u64)> {
    match found.content_range() {
        Some(text) => parse_content_range(text)
            .ok_or_else(|| generic(format!("unreadable Content-Range {text:?}"))),
        None if asked => Err(generic("a range was asked for and the answer says none")),
        None => size_of(found.content_length()).map(|size| (0..size, size)),
    }
}

/// `bytes 0-4/11` is the range 0..5 of 11.
fn parse_content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let end = last.parse::<u64>().ok()?.checked_add(1)?;
    Some((first.parse().ok()?..end, size.parse().ok()?))
}

fn chunks(body: ByteStream) -> BoxStream<'static, Result<Bytes>> {
    stream::try_unfold(body, |mut body| async move {
        Ok(body.try_next().await?.map(|bytes| (bytes, body)))
    })
    .map_err(|error: aws_sdk_s3::primitives::ByteStreamError| generic(error))
    .boxed()
}

/// What is known of an object.
pub(super) fn meta(
    path: Path,
    modified: Option<&DateTime>,
    size: u64,
    e_tag: Option<&str>,
) -> Result<ObjectMeta> {
    let modified = modified.copied().unwrap_or_else(|| DateTime::from_secs(0));
    let modified = SystemTime::try_from(modified).map_err(generic)?;
    let e_tag = e_tag.map(ToOwned::to_owned);
    Ok(ObjectMeta { location: path, last_modified: modified.into(), size, e_tag, version: None })
}

/// A size as S3 gives it; a missing one would make us read nothing, so it is an error.
pub(super) fn size_of(bytes: Option<i64>) -> Result<u64> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).ok_or_else(|| generic("S3 gave no size"))
}

/// Our conditions on times come from `object_store`, the SDK has a type of its own.
fn date(time: impl Into<SystemTime>) -> DateTime {
    DateTime::from(time.into())
}

/// An error without a meaning of its own.
pub(super) fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: NAME, source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::parse_content_range;

    #[test]
    fn content_ranges() {
        assert_eq!(parse_content_range("bytes 0-4/11"), Some((0..5, 11)));
        for text in ["", "bytes */11", "bytes 0-4/*", "0-4/11", "bytes 0-18446744073709551615/1"] {
            assert_eq!(parse_content_range(text), None, "{text}");
        }
    }
}
