//! Which store and which stream: parsed from a flag or a variable, then opened.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use object_store::path::Path;

use super::StoreRef;
use super::aws::Aws;
use super::folder::FolderStore;
use super::s3::S3Store;
use crate::environment::{Environment, EnvironmentError};

/// The variable that names the store.
pub const STORE_VARIABLE: &str = "HITLAKE_STORE";
/// The variable that names the stream.
pub const STREAM_VARIABLE: &str = "HITLAKE_STREAM";
/// The variable that names the bucket in which Lambda parks batches.
pub const PARKED_VARIABLE: &str = "HITLAKE_PARKED";
/// What [`STORE_VARIABLE`] may be.
pub const STORE_ALLOWED: &str = "s3://bucket, s3://bucket/prefix or the path of a folder";
/// What [`STREAM_VARIABLE`] may be.
pub const STREAM_ALLOWED: &str = "kinesis:NAME";

/// Where objects lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In a bucket of S3.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// What all keys begin with; may be empty.
        prefix: Path,
    },
    /// In a folder.
    Folder(PathBuf),
}

/// Which stream takes the hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamUrl {
    /// A stream of Kinesis.
    Kinesis {
        /// Name of the stream.
        name: String,
    },
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the store {url}: {source}")]
pub struct OpenError {
    url: String,
    source: object_store::Error,
}

/// Why a name of a store or a stream was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UrlError {
    reason: String,
}

impl StoreUrl {
    /// The store that [`STORE_VARIABLE`] names.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError`] naming the variable, its value and what is allowed.
    pub fn from_environment(environment: &Environment) -> Result<Self, EnvironmentError> {
        environment.parse_required(STORE_VARIABLE, STORE_ALLOWED)
    }
}

impl StreamUrl {
    /// The stream that [`STREAM_VARIABLE`] names.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError`] naming the variable, its value and what is allowed.
    pub fn from_environment(environment: &Environment) -> Result<Self, EnvironmentError> {
        environment.parse_required(STREAM_VARIABLE, STREAM_ALLOWED)
    }
}

/// Opens the store at `url`; `aws` is loaded only where it is needed.
///
/// # Errors
///
/// [`OpenError`] where a folder cannot be created or written to. Nothing is asked of S3 yet.
pub async fn open(url: &StoreUrl, aws: &Aws) -> Result<StoreRef, OpenError> {
    match url {
        StoreUrl::S3 { bucket, prefix } => {
            Ok(Arc::new(S3Store::new(aws.s3().await, bucket.clone(), prefix.clone())))
        }
        StoreUrl::Folder(folder) => match FolderStore::open(folder) {
            Ok(store) => Ok(Arc::new(store)),
            Err(source) => Err(OpenError { url: url.to_string(), source }),
        },
    }
}

/// The bucket in which Lambda parks batches, where [`PARKED_VARIABLE`] names one.
///
/// # Errors
///
/// When the variable is no store, or it cannot be opened.
pub async fn open_parked(
    environment: &Environment,
    aws: &Aws,
) -> Result<Option<StoreRef>, Box<dyn std::error::Error + Send + Sync>> {
    let allowed = "s3://bucket, optionally with a prefix";
    match environment.parse::<StoreUrl>(PARKED_VARIABLE, allowed)? {
        Some(url) => Ok(Some(open(&url, aws).await?)),
        None => Ok(None),
    }
}

impl FromStr for StoreUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() {
                refuse("the path is empty")
            } else {
                Ok(Self::Folder(text.into()))
            };
        };
        if scheme != "s3" {
            return refuse(format!("the scheme is {scheme:?}, not \"s3\""));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let named = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
        };
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(named) {
            return refuse(format!("{bucket:?} is no name of a bucket"));
        }
        match Path::parse(prefix) {
            Ok(prefix) => Ok(Self::S3 { bucket: bucket.to_owned(), prefix }),
            Err(error) => refuse(error),
        }
    }
}

impl FromStr for StreamUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let Some(name) = text.strip_prefix("kinesis:") else {
            return refuse("it does not begin with \"kinesis:\"");
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if !(1..=128).contains(&name.len()) || !name.bytes().all(named) {
            return refuse(format!("{name:?} is no name of a stream"));
        }
        Ok(Self::Kinesis { name: name.to_owned() })
    }
}

fn refuse<T>(reason: impl fmt::Display) -> Result<T, UrlError> {
    Err(UrlError { reason: reason.to_string() })
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_root() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kinesis { name } => write!(f, "kinesis:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{StoreUrl, StreamUrl};
    use crate::environment::Environment;

    #[test]
    fn stores_are_buckets_or_folders() {
        for (text, shown) in [
            ("s3://my-bucket", "s3://my-bucket"),
            ("s3://my-bucket/", "s3://my-bucket"),
            ("s3://my-bucket/a/b=c/", "s3://my-bucket/a/b=c"),
            ("./data/store", "./data/store"),
        ] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), shown);
        }
        for text in ["", "s3://", "s3://My_Bucket", "s3://bucket/a//x", "gs://bucket/x"] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_stream_is_a_name_of_kinesis() {
        assert_eq!("kinesis:hits".parse::<StreamUrl>().unwrap().to_string(), "kinesis:hits");
        for text in ["", "hits", "kinesis:", "kinesis:a b"] {
            assert!(text.parse::<StreamUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let environment = Environment::of(&[("HITLAKE_STORE", "gs://x/y")]);
        assert_eq!(
            StoreUrl::from_environment(&environment).unwrap_err().to_string(),
            "HITLAKE_STORE is \"gs://x/y\", which is not allowed: the scheme is \"gs\", not \"s3\"; \
             allowed: s3://bucket, s3://bucket/prefix or the path of a folder"
        );
        assert_eq!(
            StreamUrl::from_environment(&environment).unwrap_err().to_string(),
            "HITLAKE_STREAM is not set; allowed: kinesis:NAME"
        );
    }
}
