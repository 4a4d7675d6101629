//! Tables as Parquet: every column optional, whole numbers as INT64, moments as TIMESTAMP in milliseconds of UTC, texts as
//! UTF-8, compressed with Snappy, which every reader has. A row group goes out as soon as it is written; what stays in memory
//! is the file's index of row groups, about 10 kB a group.

use super::table::{Column, Kind, document};
use crate::problem::Problem;
use engagement::Timestamp;
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// A file that is written row group by row group.
pub(crate) struct File {
    columns: Vec<Column>,
    writer: SerializedFileWriter<Vec<u8>>,
}

impl File {
    /// A file without rows.
    pub(crate) fn begin(columns: &[Column]) -> Result<Self, Problem> {
        let fields: String = columns.iter().map(field).collect();
        let schema = parse_message_type(&format!("message rows {{ {fields} }}")).map_err(|e| broken(&e))?;
        let mut properties = WriterProperties::builder()
            .set_created_by(format!("trueopen {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::SNAPPY)
            .set_offset_index_disabled(true)
            .set_statistics_enabled(EnabledStatistics::None);
        // Only by time is it worth a reader's while to leave row groups out; others would only swell the index.
        for column in columns.iter().filter(|column| column.kind == Kind::Time) {
            let path = ColumnPath::from(column.name);
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::Chunk);
        }
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build()));
        Ok(Self { columns: columns.to_vec(), writer: writer.map_err(|error| broken(&error))? })
    }

    /// Writes rows as one group; none make none. What of the file can go out now comes back.
    pub(crate) fn group<T: Serialize>(&mut self, rows: &[T]) -> Result<Vec<u8>, Problem> {
        if !rows.is_empty() {
            let mut cells: Vec<Cells> = self.columns.iter().map(|column| Cells::of(column.kind)).collect();
            for row in rows {
                let row = document(row)?;
                for (column, cells) in self.columns.iter().zip(&mut cells) {
                    cells.push(column.of(&row));
                }
            }
            self.write(cells).map_err(|error| broken(&error))?;
        }
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    /// The end of the file.
    pub(crate) fn end(mut self) -> Result<Vec<u8>, Problem> {
        self.writer.finish().map_err(|error| broken(&error))?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    fn write(&mut self, cells: Vec<Cells>) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for cells in cells {
            match cells {
                Cells::Text(cells) => column::<ByteArrayType>(&mut group, &cells)?,
                Cells::Whole(cells, _) => column::<Int64Type>(&mut group, &cells)?,
                Cells::Number(cells) => column::<DoubleType>(&mut group, &cells)?,
                Cells::Flag(cells) => column::<BoolType>(&mut group, &cells)?,
            }
        }
        group.close()?;
        self.writer.flush()?;
        Ok(())
    }
}

/// A whole table as a file.
pub(crate) fn file<T: Serialize>(columns: &[Column], rows: &[T]) -> Result<Vec<u8>, Problem> {
    let mut file = File::begin(columns)?;
    let mut bytes = file.group(rows)?;
    bytes.extend(file.end()?);
    Ok(bytes)
}

/// The cells of a column: those that are there, and which are (1) or not (0).
#[derive(Default)]
struct Filled<T> {
    values: Vec<T>,
    there: Vec<i16>,
}

impl<T> Filled<T> {
    fn push(&mut self, value: Option<T>) {
        self.there.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

enum Cells {
    Text(Filled<ByteArray>),
    /// Whether they are moments.
    Whole(Filled<i64>, bool),
    Number(Filled<f64>),
    Flag(Filled<bool>),
}

impl Cells {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text | Kind::Document => Self::Text(Filled::default()),
            Kind::Count => Self::Whole(Filled::default(), false),
            Kind::Time => Self::Whole(Filled::default(), true),
            Kind::Number => Self::Number(Filled::default()),
            Kind::Flag => Self::Flag(Filled::default()),
        }
    }

    fn push(&mut self, value: &Value) {
        match self {
            Self::Text(cells) => cells.push(match value {
                Value::Null => None,
                Value::String(text) => Some(text.as_str().into()),
                other => Some(other.to_string().as_str().into()),
            }),
            Self::Whole(cells, false) => cells.push(value.as_i64()),
            Self::Whole(cells, true) => {
                cells.push(value.as_str().and_then(|text| Some(Timestamp::parse(text).ok()?.millis())));
            }
            Self::Number(cells) => cells.push(value.as_f64()),
            Self::Flag(cells) => cells.push(value.as_bool()),
        }
    }
}

fn field(column: &Column) -> String {
    let name = column.name;
    match column.kind {
        Kind::Text | Kind::Document => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
        Kind::Count => format!("OPTIONAL INT64 {name};"),
        Kind::Number => format!("OPTIONAL DOUBLE {name};"),
        Kind::Time => format!("OPTIONAL INT64 {name} (TIMESTAMP(MILLIS,true));"),
        Kind::Flag => format!("OPTIONAL BOOLEAN {name};"),
    }
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    cells: &Filled<T::T>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("the schema has fewer columns than the row".to_owned()));
    };
    column.typed::<T>().write_batch(&cells.values, Some(&cells.there), None)?;
    column.close()
}

fn broken(error: &ParquetError) -> Problem {
    tracing::error!(%error, "an answer can't be written as Parquet");
    Problem::internal()
}
