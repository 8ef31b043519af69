//! `--slices`: every verdict as a row of the dataset `slices`.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use ebbd_core::columns::{ColumnsError, Footer, SliceRowRef, SlicesFile};
use ebbd_core::judge::JudgedMinute;
use ebbd_core::model::StreamId;

use super::Failure;
use super::past::Past;

/// The file while it grows; it has its name when it is whole.
pub(super) struct Verdicts {
    path: PathBuf,
    stream: StreamId,
    file: SlicesFile<BufWriter<File>>,
    staged: tempfile::TempPath,
}

impl Verdicts {
    /// Begins a file for the only stream that is wanted.
    pub(super) fn create(path: &Path, past: &Past) -> Result<Verdicts, Failure> {
        let config = past.config();
        let Some(stream) = past.only_stream() else {
            return Err(Failure::usage(
                "--slices writes the verdicts of one stream: say which with --stream",
            ));
        };
        let spec = &config.streams[stream.index()];
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let trouble = |error: std::io::Error| Failure::trouble(format!("{}: {error}", path.display()));
        let (file, staged) = tempfile::NamedTempFile::new_in(dir).map_err(trouble)?.into_parts();
        let footer = Footer { host: config.host.clone(), config: config.hash(), ..Footer::default() };
        let file =
            SlicesFile::new(spec, &footer, BufWriter::new(file)).map_err(|error| cannot(path, &error))?;
        Ok(Verdicts { path: path.to_owned(), stream, file, staged })
    }

    /// Adds the verdicts of a minute.
    pub(super) fn add(&mut self, judged: &JudgedMinute) -> Result<(), Failure> {
        if judged.stream != self.stream {
            return Ok(());
        }
        let rows: Vec<SliceRowRef<'_>> = judged
            .rows
            .iter()
            .map(|row| SliceRowRef {
                minute: judged.minute,
                slice: &row.slice,
                verdict: &row.verdict,
                revision: judged.revision,
                judged_at: judged.judged_at,
            })
            .collect();
        self.file.add(&rows).map_err(|error| cannot(&self.path, &error))
    }

    /// Gives the file its name.
    pub(super) fn finish(self) -> Result<(), Failure> {
        self.file.finish().map_err(|error| cannot(&self.path, &error))?;
        let named = self.staged.persist(&self.path);
        named.map_err(|error| Failure::trouble(format!("{}: {error}", self.path.display())))
    }
}

fn cannot(path: &Path, error: &ColumnsError) -> Failure {
    Failure::trouble(format!("cannot write {}: {error}; is there room?", path.display()))
}
