//! Rows as an event file of TensorBoard, so that nobody is locked in.
//!
//! The form: records of a length (u64, little endian), the masked CRC-32C of its bytes, the data, the masked CRC-32C of the
//! data (TensorFlow's `tensorflow/core/lib/io/record_writer.h`). The data is a protobuf `Event` (`tensorflow/core/util/event.proto`):
//! `wall_time` (1, double), `step` (2, int64), `file_version` (3, text) or `summary` (5), which holds values (1) of a `tag`
//! (1, text) and a `simple_value` (2, float). Five fields, each a line: no protobuf compiler is needed for them.

use super::{Frame, MetricsError, Value, atomic, columns};
use std::io::Write;
use std::path::Path;

impl Frame {
    /// Writes an event file of TensorBoard, whole or not at all: a scalar `split/column` at each row's step for every number
    /// but the step itself. A value that is not finite is written as it is. Times are `begun_unix_s` plus the row's
    /// `wall_seconds`.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`] without a column of steps, [`MetricsError::Io`] if the file cannot be written; a former one
    /// then stays whole.
    pub fn write_tensorboard(&self, path: &Path, begun_unix_s: f64) -> Result<(), MetricsError> {
        self.require(columns::STEP)?;
        let bytes = events(self, begun_unix_s);
        atomic::replace(path, |out| out.write_all(&bytes)).map_err(MetricsError::io("write", path))
    }
}

fn events(frame: &Frame, begun_unix_s: f64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut first = Vec::new();
    push_double(&mut first, 1, begun_unix_s);
    push_bytes(&mut first, 3, b"brain.Event:2");
    push_record(&mut out, &first);
    let names: Vec<&str> =
        frame.columns().into_iter().filter(|name| *name != columns::STEP && frame.is_numeric(name)).collect();
    for row in 0..frame.height() {
        let number = |name: &str| frame.get(name, row).as_ref().and_then(Value::number);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, exact in float64")]
        let Some(step) = number(columns::STEP).map(|step| step.max(0.0) as u64) else { continue };
        let split = match frame.get(columns::SPLIT, row) {
            Some(Value::Text(split)) => format!("{split}/"),
            _ => String::new(),
        };
        let mut summary = Vec::new();
        for name in &names {
            if let Some(value) = number(name) {
                let mut scalar = Vec::new();
                push_bytes(&mut scalar, 1, format!("{split}{name}").as_bytes());
                #[expect(clippy::cast_possible_truncation, reason = "TensorBoard's scalars are single precision")]
                push_float(&mut scalar, 2, value as f32);
                push_bytes(&mut summary, 1, &scalar);
            }
        }
        let mut event = Vec::new();
        push_double(&mut event, 1, begun_unix_s + number(columns::WALL_SECONDS).unwrap_or(0.0));
        push_key(&mut event, 2, 0);
        push_varint(&mut event, step);
        push_bytes(&mut event, 5, &summary);
        push_record(&mut out, &event);
    }
    out
}

fn push_record(out: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked(data).to_le_bytes());
}

/// The checksum as records store it: turned by 15 bits and moved by a constant, so that a checksum of data that holds
/// checksums is no weak one.
fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A field's number and how it is written: 0 as a varint, 1 in 8 bytes, 2 as bytes of a length, 5 in 4 bytes.
fn push_key(out: &mut Vec<u8>, field: u64, wire: u64) {
    push_varint(out, field << 3 | wire);
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn push_double(out: &mut Vec<u8>, field: u64, value: f64) {
    push_key(out, field, 1);
    out.extend(value.to_le_bytes());
}

fn push_float(out: &mut Vec<u8>, field: u64, value: f32) {
    push_key(out, field, 5);
    out.extend(value.to_le_bytes());
}

fn push_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    push_key(out, field, 2);
    push_varint(out, bytes.len() as u64);
    out.extend(bytes);
}
