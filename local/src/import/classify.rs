//! What becomes of a line: page view, download or nothing.
//!
//! The lists and the order follow the defaults of Matomo's log importer, with one rule of our
//! own (only GET counts); docs/IMPORT.md says where we differ.

use super::LogLine;

/// Extensions of files that belong to a page and are none: pictures, styles, scripts, fonts.
/// Sorted.
pub const STATIC_EXTENSIONS: &[&str] = &[
    "bmp", "class", "css", "eot", "gif", "ico", "jpeg", "jpg", "js", "otf", "png", "svg", "svgz",
    "swf", "ttf", "webp", "woff", "woff2", "xml",
];

/// Names of files that only robots ask for; upper and lower case matter.
pub const STATIC_FILES: &[&str] = &["robots.txt"];

/// Extensions of files whose fetching is a download. Sorted; `xml` is static first.
pub const DOWNLOAD_EXTENSIONS: &[&str] = &[
    "7z", "aac", "apk", "arc", "arj", "asf", "asx", "avi", "azw3", "bin", "bz2", "csv", "deb",
    "dmg", "doc", "docx", "epub", "exe", "flac", "flv", "gz", "gzip", "hqx", "ibooks", "jar",
    "json", "md5", "mobi", "mov", "movie", "mp2", "mp3", "mp4", "mpeg", "mpg", "msi", "msp", "odb",
    "odf", "odg", "odp", "ods", "odt", "ogg", "ogv", "pdf", "phps", "ppt", "pptx", "qt", "qtm",
    "ra", "ram", "rar", "rpm", "rtf", "sea", "sig", "sit", "tar", "tbz", "tgz", "torrent", "txt",
    "wav", "webm", "wma", "wmv", "wpd", "xls", "xlsx", "xml", "xsd", "z", "zip",
];

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A page was shown.
    Pageview,
    /// A file was fetched.
    Download,
    /// No hit.
    Dropped(Reason),
}

/// Why a line is no hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A file that belongs to a page.
    Static,
    /// The answer was an error: status 400 to 599.
    ErrorStatus,
    /// The answer sent the client elsewhere: status 300 to 399, but not 304.
    Redirect,
    /// Another method than GET.
    Method,
    /// Its time is still to come: the log's clock or time zone is wrong. Given by the importer, never
    /// by [`classify`].
    Clock,
    /// The line is no request; given by the parser or the source, never by [`classify`].
    Unreadable,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Static,
        Self::ErrorStatus,
        Self::Redirect,
        Self::Method,
        Self::Clock,
        Self::Unreadable,
    ];

    /// The name in the contract and in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::ErrorStatus => "error_status",
            Self::Redirect => "redirect",
            Self::Method => "method",
            Self::Clock => "clock",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Says what becomes of a line; the first rule that fits decides.
#[must_use]
pub fn classify(line: &LogLine) -> Class {
    match line.status {
        Some(400..=599) => return Class::Dropped(Reason::ErrorStatus),
        // 304 says that the client has the page already and shows it.
        Some(300..=303 | 305..=399) => return Class::Dropped(Reason::Redirect),
        _ => {}
    }
    if line.method != "GET" {
        return Class::Dropped(Reason::Method);
    }
    let path = line.target.split('?').next().unwrap_or_default();
    let extension = extension(path);
    if contains(STATIC_EXTENSIONS, &extension) || STATIC_FILES.contains(&file_name(path)) {
        return Class::Dropped(Reason::Static);
    }
    if contains(DOWNLOAD_EXTENSIONS, &extension) {
        return Class::Download;
    }
    Class::Pageview
}

fn contains(sorted: &[&str], extension: &str) -> bool {
    sorted.binary_search(&extension).is_ok()
}

/// What follows the path's last dot, wherever that stands.
fn extension(path: &str) -> String {
    path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(method: &str, target: &str, status: u16) -> Class {
        let (method, target) = (method.to_owned(), target.to_owned());
        classify(&LogLine { method, target, status: Some(status), ..LogLine::default() })
    }

    #[test]
    fn lists_are_sorted() {
        assert!(STATIC_EXTENSIONS.is_sorted());
        assert!(DOWNLOAD_EXTENSIONS.is_sorted());
    }

    #[test]
    fn pages_and_files() {
        for page in ["/", "/blog/", "/a.html", "/a.php?file=x.pdf", "/v1.2/pdf", "/pdf"] {
            assert_eq!(class("GET", page, 200), Class::Pageview, "{page}");
        }
        for file in ["/a.pdf", "/A.PDF", "/a.tar.gz?x=1", "/sitemap.txt", "/Robots.txt"] {
            assert_eq!(class("GET", file, 200), Class::Download, "{file}");
        }
        for file in ["/a.png", "/a.b.CSS?v=2", "/robots.txt", "/deep/robots.txt?x", "/feed.xml"] {
            assert_eq!(class("GET", file, 200), Class::Dropped(Reason::Static), "{file}");
        }
    }

    #[test]
    fn statuses() {
        for status in [100, 200, 206, 299, 304, 600] {
            assert_eq!(class("GET", "/", status), Class::Pageview, "{status}");
        }
        for status in [300, 301, 303, 305, 399] {
            assert_eq!(class("GET", "/", status), Class::Dropped(Reason::Redirect), "{status}");
        }
        for status in [400, 404, 499, 500, 599] {
            assert_eq!(class("GET", "/", status), Class::Dropped(Reason::ErrorStatus), "{status}");
        }
        let line = LogLine { method: "GET".into(), target: "/".into(), ..LogLine::default() };
        assert_eq!(classify(&line), Class::Pageview, "no status");
    }

    #[test]
    fn the_first_rule_decides() {
        assert_eq!(class("HEAD", "/a.png", 404), Class::Dropped(Reason::ErrorStatus));
        assert_eq!(class("POST", "/a.png", 302), Class::Dropped(Reason::Redirect));
        assert_eq!(class("HEAD", "/a.png", 200), Class::Dropped(Reason::Method));
        assert_eq!(class("get", "/", 200), Class::Dropped(Reason::Method));
    }

    #[test]
    fn names_of_the_contract() {
        let names = Reason::ALL.map(Reason::name);
        assert_eq!(names, ["static", "error_status", "redirect", "method", "clock", "unreadable"]);
    }
}
