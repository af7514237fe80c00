//! Rooflines and curves for a terminal: dots of Braille letters, or plain characters where there is no Unicode.

use super::chart::{Chart, Panel};
use super::curves::{CurveChart, CurvePanel};
use super::frame::Frame;
use super::panel;
use super::scale::{Scale, plain};
use super::text;
use crate::roofline::Resource;
use anstyle::{AnsiColor, Color, Style};

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Characters of a line.
    pub width: usize,
    /// Whether it shows Braille letters and lines of boxes.
    pub unicode: bool,
    /// Whether it shows colours.
    pub colour: bool,
}

/// Wider pictures say no more.
const WIDEST: usize = 110;
/// Left of the axis: labels of its ticks.
const TICKS: usize = 7;
/// Right of a picture: names of lines.
const NAMES: usize = 13;
/// Between two pictures side by side.
const GAP: usize = 3;
/// A picture narrower than this has no neighbour.
const BESIDE: usize = 48;
/// Pixels that a scale takes a character for, when it counts how many labels it holds.
const CHARACTER: [f64; 2] = [7.5, 11.0];
const COLOURS: [AnsiColor; 6] =
    [AnsiColor::Blue, AnsiColor::Red, AnsiColor::Green, AnsiColor::Magenta, AnsiColor::Cyan, AnsiColor::Yellow];

/// The rooflines of a chart, one below another.
pub fn roofline_text(chart: &Chart, screen: Screen) -> String {
    let pictures = chart.panels.iter().map(|panel| {
        let width = screen.width.min(WIDEST);
        let rows = (width / 5).clamp(8, 20);
        let picture = roofline(panel, chart, screen, [width, rows]);
        let values = [("Memory, GB/s", Resource::Memory), ("Arithmetic, GFLOP/s", Resource::Compute)]
            .map(|(title, resource)| values(panel, title, resource, screen));
        let lines = picture.iter().map(|line| line.text.trim_end().to_owned());
        lines.chain(values.into_iter().flatten()).map(|line| line + "\n").collect::<String>()
    });
    pictures.collect::<Vec<_>>().join("\n")
}

/// The curves of a chart, two beside each other where there is room; only those that most people ask for unless `all` are asked for.
pub fn curves_text(chart: &CurveChart, all: bool, screen: Screen) -> String {
    let shown = chart.panels.iter().filter(|panel| !panel.series.is_empty() && (all || panel.main));
    let shown: Vec<&CurvePanel> = shown.collect();
    let whole = screen.width.min(WIDEST);
    let beside = (whole - GAP) / 2 >= BESIDE && shown.len() > 1;
    let width = if beside { (whole - GAP) / 2 } else { whole };
    let rows = (width / 5).clamp(7, 12);
    let pictures: Vec<Vec<Line>> = shown.iter().map(|panel| curves(panel, screen, [width, rows])).collect();
    let mut out = Vec::new();
    for row in pictures.chunks(if beside { 2 } else { 1 }) {
        let mut text = String::new();
        for at in 0..row.iter().map(Vec::len).max().unwrap_or(0) {
            let mut line = String::new();
            for picture in row {
                let Some(part) = picture.get(at) else { continue };
                line.push_str(&part.text);
                line.push_str(&" ".repeat(width.saturating_sub(part.width) + GAP));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        out.push(text);
    }
    out.join("\n")
}

/// A line, and how many characters of it are seen.
struct Line {
    text: String,
    width: usize,
}

impl Line {
    fn plain(text: &str, screen: Screen, width: usize) -> Line {
        let text: String = shown(text, screen).chars().take(width).collect();
        Line { width: text.chars().count(), text }
    }
}

/// A text in letters that the screen has.
fn shown(text: &str, screen: Screen) -> String {
    match screen.unicode {
        true => text.to_owned(),
        false => text.replace(" ·", ",").chars().map(|c| if c.is_ascii() { c } else { '?' }).collect(),
    }
}

/// The dots and letters of a picture. Places are shares of it, from the left and from below.
struct Canvas {
    screen: Screen,
    columns: usize,
    rows: usize,
    /// Braille dots of each character.
    dots: Vec<u8>,
    letters: Vec<Option<char>>,
    colours: Vec<Option<usize>>,
}

impl Canvas {
    fn new(screen: Screen, columns: usize, rows: usize) -> Canvas {
        let cells = columns * rows;
        Canvas { screen, columns, rows, dots: vec![0; cells], letters: vec![None; cells], colours: vec![None; cells] }
    }

    /// Dots along and up a character.
    const fn dots(&self) -> [usize; 2] {
        if self.screen.unicode { [2, 4] } else { [1, 1] }
    }

    fn line(&mut self, from: [f64; 2], to: [f64; 2], colour: Option<usize>) {
        let [across, upwards] = self.dots();
        let size = [(self.columns * across) as f64, (self.rows * upwards) as f64];
        let place = |share: [f64; 2]| [share[0] * size[0] - 0.5, (1.0 - share[1]) * size[1] - 0.5];
        let (a, b) = (place(from), place(to));
        let (run, rise) = (b[0] - a[0], b[1] - a[1]);
        let letter = match rise / run {
            slope if slope.abs() < 0.4 => '-',
            slope if slope.abs() > 2.5 => '|',
            slope if slope < 0.0 => '/',
            _ => '\\',
        };
        let steps = run.abs().max(rise.abs()).ceil().max(1.0);
        for step in 0..=steps as usize {
            let share = step as f64 / steps;
            self.dot([a[0] + share * run, a[1] + share * rise], letter, colour);
        }
    }

    fn dot(&mut self, [x, y]: [f64; 2], letter: char, colour: Option<usize>) {
        /// Which dot of a Braille letter lies in which row and column.
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let [across, upwards] = self.dots();
        let (x, y) = (x.round().max(0.0) as usize, y.round().max(0.0) as usize);
        let (x, y) = (x.min(self.columns * across - 1), y.min(self.rows * upwards - 1));
        let cell = y / upwards * self.columns + x / across;
        if self.screen.unicode {
            self.dots[cell] |= BITS[y % 4][x % 2];
        } else {
            self.letters[cell] = Some(letter);
        }
        self.colours[cell] = colour;
    }

    /// Puts words on the picture where no others stand: near a place, at one of the next rows upwards.
    fn words(&mut self, at: [f64; 2], words: &str) {
        let length = words.chars().count();
        let column = (at[0] * self.columns as f64) as usize;
        let row = (((1.0 - at[1]) * self.rows as f64) as usize).min(self.rows - 1);
        for up in 0..self.rows / 2 {
            // A slope moves to the right as it goes up.
            let (row, column) = (row.saturating_sub(up), column + 1 + up);
            let cells = row * self.columns + column..row * self.columns + column + length;
            if column + length >= self.columns
                || self.letters[cells.clone()].iter().any(|cell| cell.is_some_and(char::is_alphanumeric))
            {
                continue;
            }
            for (cell, letter) in cells.zip(words.chars()) {
                (self.letters[cell], self.colours[cell]) = (Some(letter), None);
            }
            return;
        }
    }

    fn cell(&self, cell: usize) -> char {
        match (self.letters[cell], self.dots[cell]) {
            (Some(letter), _) => letter,
            (None, 0) => ' ',
            (None, dots) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
        }
    }

    /// A row with its colours.
    fn row(&self, row: usize) -> String {
        let mut runs: Vec<(Option<usize>, String)> = Vec::new();
        for cell in row * self.columns..(row + 1) * self.columns {
            let (colour, letter) = (self.colours[cell], self.cell(cell));
            match runs.last_mut() {
                Some((same, run)) if *same == colour => run.push(letter),
                _ => runs.push((colour, letter.to_string())),
            }
        }
        runs.iter().map(|(colour, run)| coloured(run, *colour, self.screen)).collect()
    }
}

fn coloured(words: &str, colour: Option<usize>, screen: Screen) -> String {
    match colour.filter(|_| screen.colour && !words.trim().is_empty()) {
        Some(number) => {
            let style = Style::new().fg_color(Some(Color::Ansi(COLOURS[number % COLOURS.len()])));
            format!("{style}{words}{style:#}")
        }
        None => words.to_owned(),
    }
}

/// Labels of ticks by the row or column that they belong to.
type Ticks = Vec<(usize, String)>;

/// The picture in its axes: names on the right at their rows, labels on the left and below.
fn framed(canvas: &Canvas, upwards: &Ticks, across: &Ticks, names: &[(usize, String, Option<usize>)]) -> Vec<Line> {
    let screen = canvas.screen;
    let [upright, corner, flat] = if screen.unicode { ["│", "└", "─"] } else { ["|", "+", "-"] };
    let mut lines = Vec::new();
    for row in 0..canvas.rows {
        let label = upwards.iter().find(|(at, _)| *at == row).map_or("", |(_, label)| label);
        let name = names.iter().find(|(at, ..)| *at == row);
        let shown = name.map_or_else(String::new, |(_, name, _)| Line::plain(&format!(" {name}"), screen, NAMES).text);
        let width = TICKS + canvas.columns + shown.chars().count();
        let shown = coloured(&shown, name.and_then(|(.., colour)| *colour), screen);
        lines.push(Line { text: format!("{label:>6}{upright}{}{shown}", canvas.row(row)), width });
    }
    let base = format!("{:>6}{corner}{}", "", flat.repeat(canvas.columns));
    lines.push(Line { text: base, width: TICKS + canvas.columns });
    let mut below = String::new();
    for (column, label) in across {
        let begin = (TICKS + column).saturating_sub(label.chars().count() / 2);
        let free = below.chars().count() + usize::from(!below.is_empty());
        if begin >= free {
            below.push_str(&" ".repeat(begin - below.chars().count()));
            below.push_str(label);
        }
    }
    lines.push(Line { width: below.chars().count(), text: below });
    lines
}

/// The row of a share from below, and the column of a share from the left.
fn row_of(share: f64, rows: usize) -> usize {
    (((1.0 - share) * rows as f64) as usize).min(rows - 1)
}

fn upwards(scale: Scale, rows: usize) -> Ticks {
    let ticks = scale.round_ticks(rows as f64 * CHARACTER[1]);
    ticks.into_iter().filter_map(|tick| Some((row_of(scale.share(tick.value), rows), tick.label?))).collect()
}

/// Names at different rows, as near to their own as can be.
fn spread(mut names: Vec<(usize, String, Option<usize>)>, rows: usize) -> Vec<(usize, String, Option<usize>)> {
    names.sort_by_key(|(row, ..)| *row);
    let mut free = 0;
    for (row, ..) in &mut names {
        *row = free.max(*row);
        free = *row + 1;
    }
    let mut last = rows;
    for (row, ..) in names.iter_mut().rev() {
        *row = (*row).min(last.saturating_sub(1));
        last = *row;
    }
    names
}

fn roofline(panel: &Panel, chart: &Chart, screen: Screen, [width, rows]: [usize; 2]) -> Vec<Line> {
    let columns = width.saturating_sub(TICKS + NAMES).max(8);
    let (intensity, performance) = (chart.intensity, chart.performance);
    let frame = Frame { left: 0.0, top: 0.0, width: 1.0, height: 1.0, intensity, performance };
    let mut canvas = Canvas::new(screen, columns, rows);
    let mut names = Vec::new();
    for (line, ends) in panel::segments(panel, &frame) {
        let [from, to] = ends.map(|(x, y)| [intensity.share(x), performance.share(y)]);
        let is_roof = line.resource == Resource::Memory && line.value == panel.bandwidth;
        canvas.line(from, to, Some(usize::from(!is_roof) * 4));
        if line.resource == Resource::Compute {
            names.push((row_of(to[1], rows), line.name.clone(), None));
        }
    }
    for (line, [from, _]) in panel::segments(panel, &frame) {
        if line.resource == Resource::Memory {
            canvas.words([intensity.share(from.0), performance.share(from.1)], &line.name);
        }
    }
    let ticks = intensity.ticks(columns as f64 * CHARACTER[0]).into_iter().filter(|tick| tick.label.is_some());
    let across =
        ticks.map(|tick| ((intensity.share(tick.value) * columns as f64) as usize, plain(tick.value))).collect();
    let mut lines = vec![
        Line::plain(&format!("{} ({})", panel.title, panel.facts), screen, width),
        Line::plain(" GFLOP/s", screen, width),
    ];
    lines.extend(framed(&canvas, &upwards(performance, rows), &across, &spread(names, rows)));
    lines.push(Line::plain(&format!("{:TICKS$}FLOP/byte", ""), screen, width));
    lines
}

/// The values of a panel's lines, in lines of the screen's width.
fn values(panel: &Panel, title: &str, resource: Resource, screen: Screen) -> Vec<String> {
    let of = panel.lines.iter().filter(|line| line.resource == resource);
    let words = of.map(|line| shown(&format!("{} {}", line.name, text::digits(line.value)), screen));
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            None => lines.push(format!("{title}: {word}")),
            Some(line) if line.chars().count() + word.chars().count() + 3 <= screen.width => {
                line.push_str(&format!(", {word}"));
            }
            Some(line) => {
                line.push(',');
                lines.push(format!("  {word}"));
            }
        }
    }
    lines
}

fn curves(panel: &CurvePanel, screen: Screen, [width, rows]: [usize; 2]) -> Vec<Line> {
    let columns = width.saturating_sub(TICKS + NAMES).max(8);
    let mut canvas = Canvas::new(screen, columns, rows);
    let mut names = Vec::new();
    for (number, series) in panel.series.iter().enumerate() {
        let places: Vec<[f64; 2]> = series
            .points
            .iter()
            .map(|point| [panel.across.share(point.place), panel.upwards.share(point.value)])
            .collect();
        places.windows(2).for_each(|pair| canvas.line(pair[0], pair[1], Some(number)));
        if let Some(last) = places.last() {
            names.push((row_of(last[1], rows), series.name.clone(), Some(number)));
        }
    }
    let ticks = panel.across.ticks(columns as f64 * CHARACTER[0]).into_iter();
    let mut across: Ticks = ticks
        .filter_map(|tick| Some(((panel.across.share(tick.value as u64) * columns as f64) as usize, tick.label?)))
        .collect();
    across.sort();
    let mut lines = vec![Line::plain(&format!("{}, {}", panel.title, panel.unit), screen, width)];
    lines.extend(framed(&canvas, &upwards(panel.upwards, rows), &across, &spread(names, rows)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas(unicode: bool) -> Canvas {
        Canvas::new(Screen { width: 40, unicode, colour: false }, 8, 4)
    }

    #[test]
    fn lines_are_dots_or_letters() {
        let mut braille = canvas(true);
        braille.line([0.0, 0.0], [1.0, 1.0], None);
        assert_eq!(braille.row(0).trim_start().chars().count(), 2);
        assert!(braille.row(0).chars().all(|c| c == ' ' || ('\u{2801}'..='\u{28ff}').contains(&c)));
        let mut ascii = canvas(false);
        ascii.line([0.0, 0.5], [1.0, 0.5], None);
        assert_eq!([ascii.row(1), ascii.row(2)].concat().matches('-').count(), 8);
        let mut slope = canvas(false);
        slope.line([0.0, 0.0], [1.0, 1.0], None);
        assert!((0..4).all(|row| slope.row(row).contains('/')));
    }

    #[test]
    fn a_run_of_one_colour_is_one_sequence() {
        let mut canvas = Canvas::new(Screen { width: 40, unicode: false, colour: true }, 8, 1);
        canvas.line([0.0, 0.5], [1.0, 0.5], Some(1));
        assert_eq!(canvas.row(0), "\u{1b}[31m--------\u{1b}[0m");
    }

    #[test]
    fn words_do_not_cover_words_and_names_have_rows_of_their_own() {
        let mut canvas = canvas(false);
        canvas.words([0.0, 0.1], "L1");
        canvas.words([0.0, 0.1], "L2");
        let rows: String = (0..4).map(|row| canvas.row(row)).collect();
        assert!(rows.contains("L1") && rows.contains("L2"), "{rows}");
        let name = |row: usize| (row, row.to_string(), None);
        let rows: Vec<usize> =
            spread(vec![name(3), name(3), name(2), name(0)], 4).into_iter().map(|(row, ..)| row).collect();
        assert_eq!(rows, [0, 1, 2, 3]);
    }
}
