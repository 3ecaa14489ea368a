//! One object written by one PUT, on a condition.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{Attribute, Attributes, Extensions, PutMode, PutOptions, PutResult, Result};

use super::read::generic;
use super::{S3Store, error};
use crate::limits::{S3_CONFLICT_ATTEMPTS, S3_CONFLICT_WAIT};
use crate::store::not_implemented;

/// A write's condition as the two headers of S3.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
}

impl Condition {
    pub(super) fn of(mode: &PutMode) -> Result<Self> {
        match mode {
            PutMode::Overwrite => Ok(Self::default()),
            PutMode::Create => Ok(Self { if_none_match: Some("*".to_owned()), ..Self::default() }),
            PutMode::Update(version) if version.e_tag.is_some() => {
                Ok(Self { if_match: version.e_tag.clone(), ..Self::default() })
            }
            PutMode::Update(_) => Err(generic("an update must say which ETag it replaces")),
        }
    }
}

impl S3Store {
    pub(super) async fn put_whole(
        &self,
        path: &Path,
        bytes: Bytes,
        options: &PutOptions,
    ) -> Result<PutResult> {
        let content_type = self.content_type(&options.attributes)?;
        let condition = Condition::of(&options.mode)?;
        let mut waits = conflict_waits();
        loop {
            let request = self
                .client
                .put_object()
                .bucket(&self.bucket)
                .key(self.key(path))
                .set_content_type(content_type.clone())
                .set_if_match(condition.if_match.clone())
                .set_if_none_match(condition.if_none_match.clone());
            let failed = match request.body(ByteStream::from(bytes.clone())).send().await {
                Ok(put) => return Ok(result_of(put.e_tag)),
                Err(failed) => failed,
            };
            match waits.next() {
                Some(wait) if error::is_conflict(&failed) => tokio::time::sleep(wait).await,
                _ => return Err(error::write(path, &options.mode, failed)),
            }
        }
    }

    /// The only attribute that we send; others are refused, not dropped.
    fn content_type(&self, attributes: &Attributes) -> Result<Option<String>> {
        let mut content_type = None;
        for (attribute, value) in attributes {
            match attribute {
                Attribute::ContentType => content_type = Some(value.to_string()),
                other => {
                    return Err(not_implemented(
                        &format!("put_opts with attribute {other:?}"),
                        self,
                    ));
                }
            }
        }
        Ok(content_type)
    }
}

pub(super) fn result_of(e_tag: Option<String>) -> PutResult {
    PutResult { e_tag, version: None, extensions: Extensions::default() }
}

/// How long to wait before each further attempt at a write that met another one.
pub(super) fn conflict_waits() -> impl Iterator<Item = Duration> {
    let doubled = |wait: &Duration| Some(wait.saturating_mul(2));
    std::iter::successors(Some(S3_CONFLICT_WAIT), doubled)
        .zip(1..S3_CONFLICT_ATTEMPTS)
        .map(|(wait, _)| wait)
}
