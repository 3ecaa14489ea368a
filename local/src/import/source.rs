//! A log's lines, from a file or standard input, compressed or not.
//!
//! gzip (of several members too) and zstd are known by their first bytes, not by a file name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lake::limits::MAX_LOG_LINE_BYTES;
use tokio::sync::{mpsc, oneshot};

/// Bytes read at once.
const BUFFER_BYTES: usize = 128 * 1024;
/// Lines that are given at once, and how many such lots are read before they are asked for.
const LOT_LINES: usize = 500;
const LOTS_AHEAD: usize = 2;
/// The longest of the magic numbers.
const MAGIC_BYTES: u64 = 4;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Its bytes without the line end; the beginning where it is too long.
    pub bytes: Vec<u8>,
    /// It is longer than [`MAX_LOG_LINE_BYTES`], and so unreadable.
    pub too_long: bool,
}

/// How far the reading is, in bytes as they lie on disk; shared with who draws the bar.
#[derive(Debug, Clone)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl Progress {
    /// Bytes read so far.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes there are, where the source is a regular file.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.total
    }
}

/// A source that is read ahead by a thread of its own: who waits for lines, from a terminal or a
/// pipe, can be interrupted.
#[derive(Debug)]
pub struct Ahead {
    /// How far the reading is; stays up to date.
    pub progress: Progress,
    /// Lots of lines, until the end or the first error.
    pub lots: mpsc::Receiver<io::Result<Vec<Line>>>,
}

impl Ahead {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    ///
    /// As [`Source::open`].
    pub async fn open(path: &Path) -> io::Result<Self> {
        let path = path.to_owned();
        let ((opened, open), (to, lots)) = (oneshot::channel(), mpsc::channel(LOTS_AHEAD));
        std::thread::spawn(move || match Source::open(&path) {
            // Nobody waits any more where sending fails.
            Err(error) => drop(opened.send(Err(error))),
            Ok(source) => {
                drop(opened.send(Ok(source.progress())));
                source.send_all(&to);
            }
        });
        let progress = open.await.map_err(io::Error::other)??;
        Ok(Self { progress, lots })
    }
}

/// Gives a log's lines in order.
pub struct Source {
    reader: Box<dyn BufRead + Send>,
    number: u64,
    progress: Progress,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, progress, .. } = self;
        f.debug_struct("Source").field("number", number).field("progress", progress).finish()
    }
}

impl Source {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    ///
    /// When it cannot be opened or its first bytes cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path.as_os_str() == "-" {
            return Self::from_reader(io::stdin(), None);
        }
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let total = about.is_file().then_some(about.len());
        Self::from_reader(file, total)
    }

    /// The lines of what `input` gives; `total` is its length, where known.
    ///
    /// # Errors
    ///
    /// When its first bytes cannot be read.
    pub fn from_reader(input: impl Read + Send + 'static, total: Option<u64>) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted { input, read: Arc::clone(&read) };
        let reader = decompress(counted)?;
        Ok(Self { reader, number: 0, progress: Progress { read, total } })
    }

    fn send_all(mut self, to: &mpsc::Sender<io::Result<Vec<Line>>>) {
        loop {
            let lot: io::Result<Vec<Line>> = self.by_ref().take(LOT_LINES).collect();
            let is_last = lot.as_ref().map_or(true, Vec::is_empty);
            if to.blocking_send(lot).is_err() || is_last {
                return;
            }
        }
    }

    /// How far the reading is; stays up to date.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The next line, or nothing at the end.
    ///
    /// # Errors
    ///
    /// When the input cannot be read on, or is no longer well compressed.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let (any, too_long) = read_line(&mut *self.reader, &mut bytes)?;
        if !any {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Line { number: self.number, bytes, too_long }))
    }
}

impl Iterator for Source {
    type Item = io::Result<Line>;

    /// An error may come again and again: stop at the first.
    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

fn decompress(mut input: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    // A pipe may give fewer bytes at once than were asked for.
    let mut head = Vec::new();
    input.by_ref().take(MAGIC_BYTES).read_to_end(&mut head)?;
    let kind = Compression::of(&head);
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(input));
    Ok(match kind {
        Compression::Gzip => Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            flate2::bufread::MultiGzDecoder::new(whole),
        )),
        Compression::Zstd => Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            zstd::stream::read::Decoder::with_buffer(whole)?,
        )),
        Compression::None => Box::new(whole),
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1F, 0x8B, ..] => Self::Gzip,
            // The second is a skippable frame, which pzstd writes first.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Reads up to the next line end; says whether there was anything and whether it was too long.
fn read_line(reader: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<(bool, bool)> {
    // One byte more than a line may have: it may be the carriage return of the line end.
    const KEPT: usize = MAX_LOG_LINE_BYTES + 1;
    let (mut any, mut cut) = (false, false);
    loop {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            break;
        }
        any = true;
        let end = memchr::memchr(b'\n', buffer);
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or(buffer);
        let kept = part.get(..KEPT - line.len()).unwrap_or(part);
        line.extend_from_slice(kept);
        cut |= kept.len() < part.len();
        let used = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    if !cut && line.last() == Some(&b'\r') {
        line.pop();
    }
    let too_long = cut || line.len() > MAX_LOG_LINE_BYTES;
    line.truncate(MAX_LOG_LINE_BYTES);
    Ok((any, too_long))
}

/// Counts what is read from the input.
struct Counted<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.read.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn lines(input: Vec<u8>) -> Vec<Line> {
        Source::from_reader(Cursor::new(input), None).unwrap().map(Result::unwrap).collect()
    }

    fn texts(input: &[u8]) -> Vec<String> {
        lines(input.to_vec())
            .into_iter()
            .map(|line| String::from_utf8(line.bytes).unwrap())
            .collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn line_ends() {
        assert_eq!(texts(b""), [""; 0]);
        assert_eq!(texts(b"\n"), [""]);
        assert_eq!(texts(b"a\r\n\nb\rc\n"), ["a", "", "b\rc"]);
        assert_eq!(texts(b"a\nb"), ["a", "b"], "no line end at the end");
        assert_eq!(lines(b"a\nb".to_vec()).last().unwrap().number, 2);
    }

    #[test]
    fn compressed() {
        let members = [gzip(b"a\nb"), gzip(b"c\nd\n")].concat();
        assert_eq!(texts(&members), ["a", "bc", "d"], "gzip of two members");
        let frame = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        assert_eq!(texts(&[frame(b"a\nb"), frame(b"c\nd\n")].concat()), ["a", "bc", "d"]);
        let skippable = b"\x50\x2A\x4D\x18\x02\0\0\0xx";
        assert_eq!(texts(&[&skippable[..], &frame(b"a\n")].concat()), ["a"]);
    }

    #[test]
    fn broken_compression_is_an_error_and_not_the_end() {
        let text: Vec<u8> = (0..2000_u32).flat_map(u32::to_be_bytes).collect();
        for whole in [gzip(&text), zstd::encode_all(&text[..], 1).unwrap()] {
            let half = whole[..whole.len() / 2].to_vec();
            let mut source = Source::from_reader(Cursor::new(half), None).unwrap();
            assert!(source.any(|line| line.is_err()));
        }
    }

    #[test]
    fn line_length_at_the_limit() {
        for end in ["\n", "\r\n", ""] {
            for (length, too_long) in [(-1, false), (0, false), (1, true), (200_000, true)] {
                let length = MAX_LOG_LINE_BYTES.checked_add_signed(length).unwrap();
                let mut input = vec![b'x'; length];
                input.extend_from_slice(end.as_bytes());
                if !end.is_empty() {
                    input.extend_from_slice(b"next");
                }
                let lines = lines(input);
                assert_eq!(lines[0].too_long, too_long, "{length} {end:?}");
                assert_eq!(lines[0].bytes.len(), length.min(MAX_LOG_LINE_BYTES));
                if !end.is_empty() {
                    let next = Line { number: 2, bytes: b"next".to_vec(), too_long: false };
                    assert_eq!(lines[1..], [next]);
                }
            }
        }
    }

    #[test]
    fn progress_counts_the_bytes_on_disk() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let packed = gzip(&b"a line\n".repeat(100_000));
        file.write_all(&packed).unwrap();
        let mut source = Source::open(file.path()).unwrap();
        let progress = source.progress();
        assert_eq!(progress.total(), Some(packed.len() as u64));
        assert_eq!(source.by_ref().count(), 100_000);
        assert_eq!(progress.read(), packed.len() as u64);
    }

    #[test]
    fn what_cannot_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Source::open(folder.path()).is_err());
        assert!(Source::open(&folder.path().join("absent")).is_err());
    }

    /// Gives its bytes in pieces, as a pipe does.
    struct Pieces(Vec<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(first) = self.0.first_mut() else {
                return Ok(0);
            };
            let count = first.len().min(buffer.len());
            buffer[..count].copy_from_slice(&first[..count]);
            first.drain(..count);
            if first.is_empty() {
                self.0.remove(0);
            }
            Ok(count)
        }
    }

    proptest! {
        #[test]
        fn pieces_and_compression_change_nothing(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..400),
            piece in 1_usize..9,
        ) {
            // What begins like gzip or zstd is not text.
            let text = [&b"#"[..], &text].concat();
            let mut expected: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            if expected.last() == Some(&&b""[..]) {
                expected.pop();
            }
            let expected: Vec<&[u8]> =
                expected.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
            let packed = [text.clone(), gzip(&text), zstd::encode_all(&text[..], 1).unwrap()];
            for input in packed {
                let pieces = Pieces(input.chunks(piece).map(<[u8]>::to_vec).collect());
                let source = Source::from_reader(pieces, None).unwrap();
                let lines: Vec<Vec<u8>> = source.map(|line| line.unwrap().bytes).collect();
                prop_assert_eq!(&lines, &expected);
            }
        }
    }
}
