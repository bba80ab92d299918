//! The throughput as a picture: a bar for each program, on a logarithmic scale.

use std::fmt::Write;

use crate::report::Row;

/// The measure that is drawn.
pub const MEASURE: &str = "4 → pipe, MB/s";

const HEIGHT: usize = 26;
const LEFT: usize = 150;
const WIDTH: f64 = 480.0;

/// Returns the SVG.
pub fn draw(row: &Row, machine: &str) -> String {
    let mut rows: Vec<(&str, f64)> = row.values.iter().map(|(tool, value)| (tool.name(), *value)).collect();
    rows.sort_by(|one, other| other.1.total_cmp(&one.1));
    let most = rows.iter().map(|row| row.1).fold(1.0, f64::max);
    let total = (rows.len() + 3) * HEIGHT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"{total}\" viewBox=\"0 0 760 {total}\" \
         font-family=\"sans-serif\" font-size=\"14\">\n\
         <rect width=\"760\" height=\"{total}\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"16\" fill=\"#1f2328\">Four processes write lines of 80 bytes: \
         MB/s through each tool (logarithmic)</text>\n"
    );
    for (index, (name, value)) in rows.iter().enumerate() {
        let (y, length) = ((index + 1) * HEIGHT + 14, (value.max(1.0).ln() / most.ln() * WIDTH).max(2.0));
        let colour = match *name {
            "procman" => "#1a7f37",
            "ceiling" => "#8c959f",
            _ => "#bf8700",
        };
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#1f2328\">{name}</text>\n\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.0}\" height=\"18\" fill=\"{colour}\"/>\n\
             <text x=\"{:.0}\" y=\"{}\" fill=\"#1f2328\">{value:.0}</text>\n",
            LEFT - 8,
            y + 14,
            LEFT as f64 + length + 6.0,
            y + 14,
        );
    }
    let _ = write!(
        svg,
        "<text x=\"12\" y=\"{}\" font-size=\"12\" fill=\"#59636e\">{machine}</text>\n</svg>\n",
        total - 10
    );
    svg
}
