//! Output: the bytes of many processes become one stream of whole lines.
//!
//! Pure, like the supervisor: [`Merge`] is told which bytes a stream delivered at which time and appends
//! what is to be written to a batch. Reading and writing are the work of
//! [`runtime::pump`](crate::runtime::pump).

mod fold;
mod held;
mod json;
mod lines;
mod merge;
mod page;
mod plain;
mod record;
mod returns;
mod sought;
mod style;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;

pub use fold::Fold;
pub use merge::{Merge, Moment};
pub use page::{Access, Source, StreamKey};
pub use plain::Plain;
pub use record::{Cursor, Line, Record, Segment, Unfinished};
pub use sought::{Found, Sought};
pub use style::{Colour, Format, Returns, Stamp, StampError, Style};
