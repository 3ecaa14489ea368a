//! What S3's errors mean to those who know only the store.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use object_store::path::Path;
use object_store::{Error, PutMode};

use super::NAME;

/// A failed read, listing or deletion.
///
/// A missing bucket is a wrong setting; it must not look like an empty store.
pub(super) fn read<E>(path: &Path, error: SdkError<E, HttpResponse>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let status = status(&error).filter(|_| error.code() != Some("NoSuchBucket"));
    let (path, source) = (path.to_string(), DisplayErrorContext(&error).to_string().into());
    match status {
        Some(304) => Error::NotModified { path, source },
        Some(401) => Error::Unauthenticated { path, source },
        Some(403) => Error::PermissionDenied { path, source },
        Some(404) => Error::NotFound { path, source },
        Some(412) => Error::Precondition { path, source },
        _ => Error::Generic { store: NAME, source },
    }
}

/// A failed write in `mode`.
///
/// `If-Match` on an absent key is answered 404, which is a failed condition too. A conflict that
/// outlasted our retries is no proof that the object exists, so it is never `AlreadyExists`.
pub(super) fn write<E>(path: &Path, mode: &PutMode, error: SdkError<E, HttpResponse>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let conflict = is_conflict(&error);
    match (read(path, error), mode) {
        (Error::Precondition { path, source }, PutMode::Create) => {
            Error::AlreadyExists { path, source }
        }
        (Error::NotFound { path, source }, PutMode::Update(_)) => {
            Error::Precondition { path, source }
        }
        (Error::Generic { source, .. }, _) if conflict => {
            Error::Precondition { path: path.to_string(), source }
        }
        (error, _) => error,
    }
}

/// Whether S3 says that another conditional write to the key is under way (409): to be tried again.
pub(super) fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    status(error) == Some(409)
        && error.code().is_none_or(|code| code == "ConditionalRequestConflict")
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}
