//! A sweep as Apache Parquet: every column of the record with its type, null where it is empty.
//!
//! Rows are collected by any number of threads, some at a time ([`Chunk`]); one writer puts them behind one another.

use crate::error::{Error, Result};
use crate::sweep::{Case, Column, Row, Values};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use std::fmt::Display;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

/// Some rows, column by column.
#[derive(Debug)]
pub struct Chunk {
    columns: Vec<ChunkColumn>,
}

/// One column of some rows.
#[derive(Debug)]
struct ChunkColumn {
    /// Of each row: 1 where there is a value, 0 where there is none.
    levels: Vec<i16>,
    cells: Cells,
}

/// The values that there are.
#[derive(Debug)]
enum Cells {
    Text(Vec<ByteArray>),
    Count(Vec<i64>),
    Number(Vec<f64>),
    Truth(Vec<bool>),
}

impl Chunk {
    /// The rows of a case's settings at `places`.
    pub fn of(case: &Case, places: Range<u64>) -> Chunk {
        let mut columns: Vec<ChunkColumn> = Row::COLUMNS.iter().map(ChunkColumn::new).collect();
        case.each_row(places, |row| {
            for (column, into) in Row::COLUMNS.iter().zip(&mut columns) {
                into.push(column, row);
            }
        });
        Chunk { columns }
    }
}

impl ChunkColumn {
    fn new(column: &Column) -> ChunkColumn {
        let cells = match column.values {
            Values::Text(_) => Cells::Text(Vec::new()),
            Values::Count(_) => Cells::Count(Vec::new()),
            Values::Number(_) => Cells::Number(Vec::new()),
            Values::Truth(_) => Cells::Truth(Vec::new()),
        };
        ChunkColumn { levels: Vec::new(), cells }
    }

    fn push(&mut self, column: &Column, row: &Row) {
        let is_there = match (column.values, &mut self.cells) {
            (Values::Text(of), Cells::Text(cells)) => of(row).map(|text| cells.push(word(text, cells.last()))),
            // Counts beyond 63 bits keep their bits: the column's type says that there is no sign.
            (Values::Count(of), Cells::Count(cells)) => of(row).map(|count| cells.push(count as i64)),
            (Values::Number(of), Cells::Number(cells)) => of(row).map(|number| cells.push(number)),
            (Values::Truth(of), Cells::Truth(cells)) => of(row).map(|truth| cells.push(truth)),
            _ => None,
        };
        self.levels.push(i16::from(is_there.is_some()));
    }

    fn write(&self, column: &mut SerializedColumnWriter) -> parquet::errors::Result<usize> {
        let levels = Some(self.levels.as_slice());
        match &self.cells {
            Cells::Text(cells) => column.typed::<ByteArrayType>().write_batch(cells, levels, None),
            Cells::Count(cells) => column.typed::<Int64Type>().write_batch(cells, levels, None),
            Cells::Number(cells) => column.typed::<DoubleType>().write_batch(cells, levels, None),
            Cells::Truth(cells) => column.typed::<BoolType>().write_batch(cells, levels, None),
        }
    }
}

/// A word. Rows that follow one another mostly have the same, and then share its bytes.
fn word(text: &str, last: Option<&ByteArray>) -> ByteArray {
    match last {
        Some(last) if last.data() == text.as_bytes() => last.clone(),
        _ => ByteArray::from(text),
    }
}

/// A file of a sweep's rows that is being written.
pub struct SweepFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
}

impl<W: Write + Send> SweepFile<W> {
    /// Begins a file in `to`.
    ///
    /// # Errors
    /// Failure when it cannot be written.
    pub fn begin(to: W) -> Result<SweepFile<W>> {
        let fields = Row::COLUMNS.iter().map(|column| field(column).map(Arc::new)).collect::<Result<Vec<TypePtr>>>()?;
        let schema = Type::group_type_builder("sweep").with_fields(fields).build().map_err(unwritten)?;
        let properties = WriterProperties::builder().set_created_by(format!("roofprobe {}", env!("CARGO_PKG_VERSION")));
        let writer =
            SerializedFileWriter::new(to, Arc::new(schema), Arc::new(properties.build())).map_err(unwritten)?;
        Ok(SweepFile { writer })
    }

    /// Appends chunks, in their order, as one row group.
    ///
    /// # Errors
    /// Failure when they cannot be written.
    pub fn append(&mut self, chunks: &[Chunk]) -> Result<()> {
        let mut group = self.writer.next_row_group().map_err(unwritten)?;
        let mut place = 0;
        while let Some(mut column) = group.next_column().map_err(unwritten)? {
            for chunk in chunks {
                chunk.columns[place].write(&mut column).map_err(unwritten)?;
            }
            column.close().map_err(unwritten)?;
            place += 1;
        }
        group.close().map(drop).map_err(unwritten)
    }

    /// Ends the file and gives back what it was written to.
    ///
    /// # Errors
    /// Failure when it cannot be written.
    pub fn end(self) -> Result<W> {
        self.writer.into_inner().map_err(unwritten)
    }
}

/// The type of a column: anything may be empty.
fn field(column: &Column) -> Result<Type> {
    let (physical, logical) = match column.values {
        Values::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Values::Count(_) => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Values::Number(_) => (Physical::DOUBLE, None),
        Values::Truth(_) => (Physical::BOOLEAN, None),
    };
    let builder = Type::primitive_type_builder(column.name, physical).with_repetition(Repetition::OPTIONAL);
    builder.with_logical_type(logical).build().map_err(unwritten)
}

fn unwritten(error: impl Display) -> Error {
    Error::failure(format!("the rows cannot be written as Parquet: {error}"))
}
