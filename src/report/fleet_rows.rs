//! Every value of every machine of a fleet, as CSV or as typed columns of Parquet.

use super::format::words_of_table;
use crate::error::{Error, Result};
use crate::fleet::Node;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;

const WORDS: [&str; 5] = ["node", "group", "grade", "ceiling", "unit"];
const VALUE: &str = "value";
/// Machines whose values make one row group: some ten megabytes.
const CHUNK: usize = 1000;

/// The words and the value of every row.
fn rows(nodes: &[Node]) -> impl Iterator<Item = ([&str; WORDS.len()], f64)> {
    nodes.iter().flat_map(|node| {
        let grade = node.grade.map_or("", |grade| grade.name());
        node.speeds.iter().map(move |speed| {
            ([node.name.as_str(), node.group.as_str(), grade, speed.id.as_str(), speed.id.unit().symbol()], speed.value)
        })
    })
}

/// Writes CSV.
///
/// # Errors
/// Failure when it cannot be written.
pub fn csv(nodes: &[Node], to: impl Write) -> Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(WORDS.iter().chain(&[VALUE])).map_err(unwritten)?;
    for (words, value) in rows(nodes) {
        let value = value.to_string();
        let words = words.map(words_of_table);
        writer.write_record(words.iter().map(|word| word.as_ref()).chain([value.as_str()])).map_err(unwritten)?;
    }
    writer.flush().map_err(unwritten)
}

/// Writes Parquet, and gives back what it was written to.
///
/// # Errors
/// Failure when it cannot be written.
pub fn parquet<W: Write + Send>(nodes: &[Node], to: W) -> Result<W> {
    let word = |name: &&str| {
        let builder = Type::primitive_type_builder(name, Physical::BYTE_ARRAY).with_repetition(Repetition::REQUIRED);
        builder.with_logical_type(Some(LogicalType::String)).build().map(Arc::new)
    };
    let number = Type::primitive_type_builder(VALUE, Physical::DOUBLE).with_repetition(Repetition::REQUIRED).build();
    let fields = WORDS.iter().map(word).chain([number.map(Arc::new)]);
    let fields = fields.collect::<std::result::Result<Vec<TypePtr>, _>>().map_err(unwritten)?;
    let schema = Type::group_type_builder("fleet").with_fields(fields).build().map_err(unwritten)?;
    let properties =
        WriterProperties::builder().set_created_by(format!("roofprobe {}", env!("CARGO_PKG_VERSION"))).build();
    let mut writer = SerializedFileWriter::new(to, Arc::new(schema), Arc::new(properties)).map_err(unwritten)?;
    for chunk in nodes.chunks(CHUNK) {
        let rows: Vec<([&str; WORDS.len()], f64)> = rows(chunk).collect();
        let mut group = writer.next_row_group().map_err(unwritten)?;
        let mut place = 0;
        while let Some(mut column) = group.next_column().map_err(unwritten)? {
            if place < WORDS.len() {
                let words: Vec<ByteArray> = rows.iter().map(|(words, _)| ByteArray::from(words[place])).collect();
                column.typed::<ByteArrayType>().write_batch(&words, None, None).map_err(unwritten)?;
            } else {
                let values: Vec<f64> = rows.iter().map(|(_, value)| *value).collect();
                column.typed::<DoubleType>().write_batch(&values, None, None).map_err(unwritten)?;
            }
            column.close().map_err(unwritten)?;
            place += 1;
        }
        group.close().map_err(unwritten)?;
    }
    writer.into_inner().map_err(unwritten)
}

fn unwritten(error: impl Display) -> Error {
    Error::failure(format!("the rows of the fleet cannot be written: {error}"))
}
