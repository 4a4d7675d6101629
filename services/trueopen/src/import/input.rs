//! Where bytes come from: a file, one of zstd frames, standard input. None of them waits for what is not there yet.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::{self, Receiver};
use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

/// The bytes that are read together.
const CHUNK: usize = 128 * 1024;
/// How many chunks of standard input lie ready.
const READY: usize = 16;
/// How long one that is late is waited for, before what came is handed over.
const LATE: Duration = Duration::from_millis(50);
/// How every zstd frame begins (RFC 8878, 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// What is read.
pub(super) enum Input {
    /// Not there yet.
    Missing,
    /// Too short yet to tell what it is.
    New(File),
    Plain(File),
    Compressed(Box<Compressed>),
    /// What can't be decompressed any further.
    Broken(File),
    /// By a thread of its own: a read of a pipe waits, and no stop would be heard.
    Stdin(Receiver<io::Result<Vec<u8>>>),
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Brought {
    More,
    NothingYet,
    /// Nothing, ever: the pipe was closed.
    Ended,
}

/// A file of zstd frames, such as a segment of KumoMTA's log, which may be written to at this moment.
pub(super) struct Compressed {
    file: File,
    decoder: Decoder<'static>,
    bytes: Vec<u8>,
    used: usize,
    /// The decoder holds more than fitted.
    full: bool,
    /// A frame ended here.
    whole: bool,
}

impl Input {
    /// Standard input.
    pub(super) fn stdin() -> Self {
        let (sender, receiver) = mpsc::channel(READY);
        std::thread::spawn(move || {
            let mut input = io::stdin().lock();
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = match input.read(&mut chunk) {
                    Ok(0) => return,
                    Ok(bytes) => {
                        chunk.truncate(bytes);
                        Ok(chunk)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = read.is_err();
                if sender.blocking_send(read).is_err() || failed {
                    return;
                }
            }
        });
        Self::Stdin(receiver)
    }

    /// A file, from a place in what it holds. What was read beyond that place already is put into `into`.
    ///
    /// # Errors
    /// What the system says; `InvalidData` where it can't be decompressed.
    pub(super) fn open(file: File, offset: u64, into: &mut Vec<u8>) -> io::Result<Self> {
        let mut input = Self::New(file);
        if offset == 0 {
            return Ok(input);
        }
        input.tell()?;
        match &mut input {
            Self::Plain(file) => {
                file.seek(SeekFrom::Start(offset))?;
            }
            Self::Compressed(compressed) => compressed.skip(offset, into)?,
            _ => {}
        }
        Ok(input)
    }

    /// Reads what is there, as much as is good at once.
    ///
    /// # Errors
    /// What the system says; `InvalidData` where it can't be decompressed.
    pub(super) async fn read(&mut self, into: &mut Vec<u8>) -> io::Result<Brought> {
        self.tell()?;
        let bytes = match self {
            Self::Missing | Self::New(_) | Self::Broken(_) => 0,
            Self::Plain(file) => file.take(CHUNK as u64).read_to_end(into)?,
            Self::Compressed(compressed) => compressed.read(into)?,
            Self::Stdin(receiver) => match tokio::time::timeout(LATE, receiver.recv()).await {
                Ok(Some(chunk)) => {
                    into.extend(chunk?);
                    return Ok(Brought::More);
                }
                Ok(None) => return Ok(Brought::Ended),
                Err(_) => 0,
            },
        };
        Ok(if bytes > 0 { Brought::More } else { Brought::NothingYet })
    }

    /// Looks what a file is, once its first bytes are there.
    fn tell(&mut self) -> io::Result<()> {
        let Self::New(file) = self else { return Ok(()) };
        let mut first = [0; 4];
        let bytes = file.read_at(&mut first, 0)?;
        if bytes < 4 && MAGIC.starts_with(&first[..bytes]) {
            return Ok(());
        }
        if let Self::New(file) = std::mem::replace(self, Self::Missing) {
            *self = if first == MAGIC {
                Self::Compressed(Box::new(Compressed::new(file)?))
            } else {
                Self::Plain(file)
            };
        }
        Ok(())
    }

    /// Gives up a file that can't be decompressed.
    pub(super) fn give_up(&mut self) {
        *self = match std::mem::replace(self, Self::Missing) {
            Self::Compressed(compressed) => Self::Broken(compressed.file),
            other => other,
        };
    }

    /// The file that is read.
    pub(super) fn file(&self) -> Option<&File> {
        match self {
            Self::New(file) | Self::Plain(file) | Self::Broken(file) => Some(file),
            Self::Compressed(compressed) => Some(&compressed.file),
            Self::Missing | Self::Stdin(_) => None,
        }
    }

    /// When it was written to last.
    pub(super) fn written(&self) -> Option<SystemTime> {
        self.file()?.metadata().and_then(|about| about.modified()).ok()
    }

    /// Whether nothing more will be written to a log's segment: KumoMTA takes the right to write from those that it left, and its
    /// frame has an end.
    pub(super) fn is_closed(&self) -> bool {
        let ended = matches!(self, Self::Compressed(compressed) if compressed.whole);
        let about = self.file().and_then(|file| file.metadata().ok());
        ended || about.is_some_and(|about| about.mode() & 0o222 == 0)
    }
}

/// Whether a file holds zstd frames.
pub(super) fn is_compressed(file: &File) -> io::Result<bool> {
    let mut first = [0; 4];
    Ok(file.read_at(&mut first, 0)? == 4 && first == MAGIC)
}

impl Compressed {
    fn new(file: File) -> io::Result<Self> {
        let decoder = Decoder::new()?;
        Ok(Self { file, decoder, bytes: Vec::new(), used: 0, full: false, whole: false })
    }

    /// What can be decompressed of what is there; a block that is cut comes with its rest.
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let before = into.len();
        loop {
            if self.used == self.bytes.len() && !self.full {
                self.bytes.clear();
                self.used = 0;
                if io::Read::take(&mut self.file, CHUNK as u64).read_to_end(&mut self.bytes)? == 0 {
                    return Ok(0);
                }
            }
            into.resize(before + CHUNK, 0);
            let mut input = InBuffer::around(&self.bytes[self.used..]);
            let mut output = OutBuffer::around(&mut into[before..]);
            let ran = self.decoder.run(&mut input, &mut output);
            let (read, made) = (input.pos, output.pos());
            into.truncate(before + made);
            let left = ran.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            self.used += read;
            self.whole = left == 0;
            self.full = made == CHUNK && !self.whole;
            if made > 0 {
                return Ok(made);
            }
        }
    }

    /// Goes past what was taken, since a frame can't be entered in its middle; what was read beyond it is put into `into`.
    fn skip(&mut self, offset: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let mut left = usize::try_from(offset).map_err(io::Error::other)?;
        let mut read = Vec::new();
        while left > 0 {
            read.clear();
            if self.read(&mut read)? == 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds less than was read of it"));
            }
            let past = left.min(read.len());
            into.extend(&read[past..]);
            left -= past;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    async fn all(input: &mut Input) -> Vec<u8> {
        let mut read = Vec::new();
        while input.read(&mut read).await.unwrap() == Brought::More {}
        read
    }

    /// A frame that comes in pieces is read as far as its blocks are whole, the rest later, and from its middle.
    #[tokio::test]
    async fn a_frame_that_is_still_written_is_read_as_far_as_it_goes() {
        let text: Vec<u8> = (0..40_000)
            .flat_map(|number: u64| format!("{:x}\n", number * 2_654_435_761).into_bytes())
            .collect();
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.write_all(&text).unwrap();
        let frame = encoder.finish().unwrap();
        let path = tempfile::NamedTempFile::new().unwrap();
        let mut writer = path.reopen().unwrap();
        let mut input = Input::open(path.reopen().unwrap(), 0, &mut Vec::new()).unwrap();
        let mut read = Vec::new();
        let mut steps = std::collections::BTreeSet::new();
        for piece in [&frame[..2], &frame[2..9], &frame[9..frame.len() - 3], &frame[frame.len() - 3..]] {
            assert!(!input.is_closed());
            writer.write_all(piece).unwrap();
            read.extend(all(&mut input).await);
            steps.insert(read.len());
        }
        assert!(read == text && input.is_closed());
        // Blocks, not all at the end.
        assert!(steps.len() > 1 && *steps.first().unwrap() == 0, "{steps:?}");
        let mut rest = Vec::new();
        let mut input = Input::open(path.reopen().unwrap(), 200_001, &mut rest).unwrap();
        rest.extend(all(&mut input).await);
        assert!(rest == text[200_001..]);
        let beyond = Input::open(path.reopen().unwrap(), text.len() as u64 + 1, &mut Vec::new());
        assert_eq!(beyond.err().map(|error| error.kind()), Some(io::ErrorKind::InvalidData));
        // What is no frame any more says so.
        writer.write_all(b"no frame").unwrap();
        let mut input = Input::open(path.reopen().unwrap(), text.len() as u64, &mut Vec::new()).unwrap();
        let error = input.read(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
