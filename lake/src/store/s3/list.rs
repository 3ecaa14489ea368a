//! Listings, page by page, in the order of the keys' bytes.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::Object;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Extensions, ListResult, ObjectMeta, Result};

use super::read::{meta, size_of};
use super::{S3Store, error};

/// Which page comes next.
enum Page {
    First,
    After(String),
    None,
}

impl S3Store {
    /// The objects below `prefix` whose paths come after `offset`.
    pub(super) fn list_from(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned().unwrap_or_default();
        let store = self.clone();
        self.pages(prefix, offset.map(|offset| self.key(offset)), None)
            .map_ok(move |page| stream::iter(store.objects(&page)))
            .try_flatten()
            .boxed()
    }

    /// The objects directly in `prefix`, and the folders below it.
    pub(super) async fn list_folder(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        let mut pages = self.pages(prefix, None, Some("/"));
        let (mut objects, mut common_prefixes) = (Vec::new(), Vec::new());
        while let Some(page) = pages.try_next().await? {
            objects.extend(self.objects(&page).into_iter().collect::<Result<Vec<_>>>()?);
            let folders = page
                .common_prefixes()
                .iter()
                .filter_map(|folder| folder.prefix()?.strip_suffix('/'));
            common_prefixes.extend(folders.filter_map(|folder| self.path(folder)));
        }
        Ok(ListResult { common_prefixes, objects, extensions: Extensions::default() })
    }

    fn pages(
        &self,
        prefix: Path,
        start_after: Option<String>,
        delimiter: Option<&'static str>,
    ) -> BoxStream<'static, Result<ListObjectsV2Output>> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .set_prefix(self.key_prefix(&prefix))
            .set_start_after(start_after)
            .set_delimiter(delimiter.map(ToOwned::to_owned));
        stream::try_unfold((request, prefix, Page::First), |(request, prefix, page)| async move {
            let after = match page {
                Page::First => None,
                Page::After(token) => Some(token),
                Page::None => return Ok(None),
            };
            let sent = request.clone().set_continuation_token(after).send().await;
            let found = sent.map_err(|error| error::read(&prefix, error))?;
            let next = found
                .next_continuation_token()
                .map_or(Page::None, |token| Page::After(token.to_owned()));
            Ok(Some((found, (request, prefix, next))))
        })
        .boxed()
    }

    /// Prefixes go by whole segments, so `a` must not find `ab/c`.
    fn key_prefix(&self, prefix: &Path) -> Option<String> {
        let whole: Path = self.prefix.parts().chain(prefix.parts()).collect();
        (!whole.is_root()).then(|| format!("{whole}/"))
    }

    fn objects(&self, page: &ListObjectsV2Output) -> Vec<Result<ObjectMeta>> {
        page.contents().iter().filter_map(|object| self.object(object)).collect()
    }

    fn object(&self, object: &Object) -> Option<Result<ObjectMeta>> {
        let path = self.path(object.key()?)?;
        Some(
            size_of(object.size())
                .and_then(|size| meta(path, object.last_modified(), size, object.e_tag())),
        )
    }
}
