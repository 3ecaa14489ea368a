//! A large file written in parts, on a condition that S3 checks at completion.
//!
//! Memory holds the parts under way and no more. An upload that fails is taken back; what a killed
//! process leaves behind, the bucket's lifecycle removes.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{PutMode, PutResult, Result};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::read::generic;
use super::write::{Condition, conflict_waits, result_of};
use super::{NAME, S3Store, error};
use crate::limits::{MULTIPART_CONCURRENCY, MULTIPART_MAX_PARTS, MULTIPART_PART_BYTES};
use crate::store::{Expected, io_error};

/// How one upload ended where nothing broke.
enum Ended {
    Done(PutResult),
    /// Another conditional write was under way; S3 wants the whole upload started again.
    Conflict(object_store::Error),
}

/// One upload on its way.
#[derive(Debug)]
struct Upload<'a> {
    store: &'a S3Store,
    path: &'a Path,
    file: &'a std::path::Path,
    size: u64,
    id: String,
}

impl S3Store {
    pub(super) async fn put_in_parts(
        &self,
        path: &Path,
        file: &std::path::Path,
        size: u64,
        expected: &Expected,
    ) -> Result<PutResult> {
        let mode = PutMode::from(expected.clone());
        let mut waits = conflict_waits();
        loop {
            match (self.upload(path, file, size, &mode).await?, waits.next()) {
                (Ended::Done(put), _) => return Ok(put),
                (Ended::Conflict(_), Some(wait)) => tokio::time::sleep(wait).await,
                (Ended::Conflict(error), None) => return Err(error),
            }
        }
    }

    async fn upload(
        &self,
        path: &Path,
        file: &std::path::Path,
        size: u64,
        mode: &PutMode,
    ) -> Result<Ended> {
        let begun = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(self.key(path))
            .send()
            .await;
        let begun = begun.map_err(|error| error::write(path, &PutMode::Overwrite, error))?;
        let id = begun.upload_id.ok_or_else(|| generic("S3 began an upload without an id"))?;
        let upload = Upload { store: self, path, file, size, id };
        let ended = upload.run(mode).await;
        if !matches!(ended, Ok(Ended::Done(_))) {
            upload.abort().await;
        }
        ended
    }
}

impl Upload<'_> {
    async fn run(&self, mode: &PutMode) -> Result<Ended> {
        let part_bytes = part_bytes(self.size);
        let parts: Vec<CompletedPart> = stream::iter((1..).zip(starts(self.size, part_bytes)))
            .map(|(number, start)| self.send_part(number, start, part_bytes))
            .buffered(MULTIPART_CONCURRENCY)
            .try_collect()
            .await?;
        match self.complete(parts, mode).await? {
            Ok(e_tag) => Ok(Ended::Done(result_of(e_tag))),
            Err(sent) if error::is_conflict(&sent) => {
                Ok(Ended::Conflict(error::write(self.path, mode, sent)))
            }
            Err(sent) => Err(error::write(self.path, mode, sent)),
        }
    }

    async fn send_part(&self, number: i32, start: u64, part_bytes: u64) -> Result<CompletedPart> {
        let bytes = self.read(start, part_bytes.min(self.size.saturating_sub(start))).await?;
        let sent = self
            .store
            .client
            .upload_part()
            .bucket(&self.store.bucket)
            .key(self.store.key(self.path))
            .upload_id(&self.id)
            .part_number(number)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| error::write(self.path, &PutMode::Overwrite, error))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
        Ok(part.set_checksum_crc32(sent.checksum_crc32).build())
    }

    /// Exactly `length` bytes: a file that became shorter meanwhile is an error.
    async fn read(&self, start: u64, length: u64) -> Result<Bytes> {
        let read = async {
            let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
            let mut file = tokio::fs::File::open(self.file).await?;
            file.seek(std::io::SeekFrom::Start(start)).await?;
            file.read_exact(&mut bytes).await?;
            Ok(Bytes::from(bytes))
        };
        read.await.map_err(|error| io_error(NAME, "cannot read", self.file, error))
    }

    async fn complete(
        &self,
        parts: Vec<CompletedPart>,
        mode: &PutMode,
    ) -> Result<
        std::result::Result<Option<String>, SdkError<CompleteMultipartUploadError, HttpResponse>>,
    > {
        let condition = Condition::of(mode)?;
        let completed = self
            .store
            .client
            .complete_multipart_upload()
            .bucket(&self.store.bucket)
            .key(self.store.key(self.path))
            .upload_id(&self.id)
            .set_if_match(condition.if_match)
            .set_if_none_match(condition.if_none_match)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await;
        Ok(completed.map(|completed| completed.e_tag))
    }

    /// Frees the parts. The error of the upload says more than one of this.
    async fn abort(&self) {
        let store = self.store;
        let abort =
            store.client.abort_multipart_upload().bucket(&store.bucket).key(store.key(self.path));
        if let Err(error) = abort.upload_id(&self.id).send().await {
            tracing::debug!(path = %self.path, %error, "an unfinished upload was not taken back");
        }
    }
}

/// Bytes of each part of a file of `size` bytes.
const fn part_bytes(size: u64) -> u64 {
    let least = size.div_ceil(MULTIPART_MAX_PARTS);
    if least > MULTIPART_PART_BYTES { least } else { MULTIPART_PART_BYTES }
}

/// Where the parts start; an empty file has one part too.
fn starts(size: u64, part_bytes: u64) -> impl Iterator<Item = u64> {
    (0..size.div_ceil(part_bytes).max(1)).map(move |part| part.saturating_mul(part_bytes))
}

#[cfg(test)]
mod tests {
    use super::{part_bytes, starts};
    use crate::limits::{MULTIPART_MAX_PARTS, MULTIPART_PART_BYTES};

    #[test]
    fn parts_cover_the_file_and_are_not_too_many() {
        assert_eq!(starts(0, 8).collect::<Vec<_>>(), [0]);
        assert_eq!(starts(16, 8).collect::<Vec<_>>(), [0, 8]);
        assert_eq!(starts(17, 8).collect::<Vec<_>>(), [0, 8, 16]);
        let largest = MULTIPART_MAX_PARTS * MULTIPART_PART_BYTES;
        for size in [largest - 1, largest, largest + 1, largest * 3] {
            assert!(starts(size, part_bytes(size)).count() as u64 <= MULTIPART_MAX_PARTS);
        }
    }
}
