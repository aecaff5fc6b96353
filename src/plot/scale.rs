//! Axes as numbers: from values to a fraction of the axis, and where its ticks go.

/// How values spread along an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Spread {
    Linear,
    Log,
    /// Evenly by index in an ascending table of values, as the bands of a mel spectrogram.
    Bands(Vec<f64>),
    /// Categories side by side: the first lies at 0, and each takes a whole.
    Names(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    pub(super) spread: Spread,
    pub(super) low: f64,
    pub(super) high: f64,
    /// The least distance of ticks: 1 for counts.
    step: f64,
}

/// A mark on an axis; without a label it is a small one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: Option<String>,
}

impl Scale {
    /// A linear scale that just holds `low` and `high`, or a little around them when they are the same.
    pub(super) fn linear(low: f64, high: f64) -> Self {
        let slack = if differ(low, high) { 0.0 } else { (low.abs() * 0.05).max(if low == 0.0 { 0.5 } else { 0.0 }) };
        Self { spread: Spread::Linear, low: low - slack, high: high + slack, step: 0.0 }.bounded()
    }

    /// A logarithmic scale; both ends above 0.
    pub(super) fn log(low: f64, high: f64) -> Self {
        let slack = if differ(low, high) { 1.0 } else { 2.0 };
        Self { spread: Spread::Log, low: low / slack, high: high * slack, step: 0.0 }.bounded()
    }

    /// A scale over the bands at `centres`, ascending, at least two.
    pub(super) fn bands(centres: Vec<f64>) -> Self {
        let (low, high) = (centres[0], centres[centres.len() - 1]);
        Self { spread: Spread::Bands(centres), low, high, step: 0.0 }
    }

    /// A scale over categories, at least one.
    pub(super) fn names(names: Vec<String>) -> Self {
        let high = count(names.len()) - 0.5;
        Self { spread: Spread::Names(names), low: -0.5, high, step: 0.0 }
    }

    /// The same scale for counts, without ticks between whole numbers.
    pub(super) fn of_counts(self) -> Self {
        Self { step: 1.0, ..self }
    }

    /// The names of its categories, if it has any.
    pub(super) fn categories(&self) -> Option<&[String]> {
        match &self.spread {
            Spread::Names(names) => Some(names),
            _ => None,
        }
    }

    /// The same scale with room at both ends, as a part of its length.
    pub(super) fn padded(mut self, part: f64) -> Self {
        match self.spread {
            Spread::Linear => {
                let room = (self.high - self.low) * part;
                self.low -= room;
                self.high += room;
            }
            Spread::Log => {
                let room = (self.high / self.low).powf(part);
                self.low /= room;
                self.high *= room;
            }
            Spread::Bands(_) | Spread::Names(_) => {}
        }
        self.bounded()
    }

    /// Keeps the ends where their difference and their ratio are still finite numbers.
    fn bounded(mut self) -> Self {
        let (least, most) = match self.spread {
            Spread::Linear | Spread::Bands(_) | Spread::Names(_) => (-1e307, 1e307),
            Spread::Log => (1e-150, 1e150),
        };
        self.low = self.low.clamp(least, most);
        self.high = self.high.clamp(least, most);
        self
    }

    /// How far along the axis a value lies: 0 at its low end, 1 at its high end. `None` where it has no place.
    pub(super) fn fraction(&self, value: f64) -> Option<f64> {
        let part = match &self.spread {
            Spread::Linear | Spread::Names(_) => (value - self.low) / (self.high - self.low),
            Spread::Log if value <= 0.0 => return None,
            Spread::Log => (value / self.low).ln() / (self.high / self.low).ln(),
            Spread::Bands(centres) => {
                let above = centres.partition_point(|centre| *centre <= value).clamp(1, centres.len() - 1);
                let within = (value - centres[above - 1]) / (centres[above] - centres[above - 1]);
                (count(above - 1) + within) / count(centres.len() - 1)
            }
        };
        part.is_finite().then_some(part)
    }

    /// The value at a fraction of the axis.
    pub(super) fn value(&self, part: f64) -> f64 {
        match &self.spread {
            Spread::Linear | Spread::Names(_) => self.low + part * (self.high - self.low),
            Spread::Log => self.low * (self.high / self.low).powf(part),
            Spread::Bands(centres) => {
                let at = part.clamp(0.0, 1.0) * count(centres.len() - 1);
                let below = whole(at).min(centres.len() - 2);
                centres[below] + (at - count(below)) * (centres[below + 1] - centres[below])
            }
        }
    }

    /// Ticks for an axis with room for about `most` labels.
    pub(super) fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.clamp(2, 12);
        match &self.spread {
            Spread::Linear => self.linear_ticks(most),
            Spread::Log => self.log_ticks(most),
            Spread::Bands(_) => self.round_ticks(most),
            Spread::Names(names) => {
                let tick = |(at, name): (usize, &String)| Tick { value: count(at), label: Some(name.clone()) };
                names.iter().enumerate().map(tick).collect()
            }
        }
    }

    fn linear_ticks(&self, most: usize) -> Vec<Tick> {
        let mut step = nice_step((self.high - self.low) / count(most)).max(self.step);
        if self.step > 0.0 && (step / self.step).fract() != 0.0 {
            step *= 2.0; // 2.5 of a thing that is counted
        }
        if !step.is_finite() || step <= 0.0 {
            return Vec::new();
        }
        let first = (self.low / step - 1e-6).ceil();
        (0..=2 * most)
            .map(|index| (first + count(index)) * step)
            .take_while(|value| *value <= self.high + step * 1e-6)
            .map(|value| Tick { value, label: Some(number(value, step)) })
            .collect()
    }

    fn log_ticks(&self, most: usize) -> Vec<Tick> {
        let decades = (self.high / self.low).log10();
        if decades < 0.7 {
            return self.linear_ticks(most); // too little of a decade for powers of ten to say anything
        }
        let (first, last) = (self.low.log10().floor(), self.high.log10().ceil());
        let plain = first >= -3.0 && last <= 5.0;
        let every = (decades / count(most)).ceil().max(1.0);
        let mut ticks = Vec::new();
        let mut decade = first;
        while decade <= last {
            for digit in 1..10 {
                let value = f64::from(digit) * 10_f64.powf(decade);
                if value < self.low * (1.0 - 1e-9) || value > self.high * (1.0 + 1e-9) || (digit > 1 && every > 1.0) {
                    continue;
                }
                let whole_decade = digit == 1 && decade.rem_euclid(every) == 0.0;
                let between = 2.0 * decades <= count(most) && (digit == 2 || digit == 5);
                let label = (whole_decade || between).then(|| {
                    if plain { number(value, 10_f64.powf(decade)) } else { power(f64::from(digit), decade, 0) }
                });
                ticks.push(Tick { value, label });
            }
            decade += 1.0;
        }
        ticks
    }

    /// Round values that lie far enough apart, for axes that are neither: powers of ten first, then 5 and 2 times those.
    fn round_ticks(&self, most: usize) -> Vec<Tick> {
        let apart = 0.9 / count(most);
        let mut placed: Vec<(f64, Tick)> = Vec::new();
        for digit in [1.0, 5.0, 2.0] {
            for decade in -3..9 {
                let unit = 10_f64.powi(decade);
                let value = digit * unit;
                let part = self.fraction(value).filter(|_| value >= self.low && value <= self.high);
                let free = |part: &f64| placed.iter().all(|(other, _)| (part - other).abs() >= apart);
                if let Some(part) = part.filter(free) {
                    placed.push((part, Tick { value, label: Some(number(value, unit)) }));
                }
            }
        }
        placed.sort_by(|one, other| one.0.total_cmp(&other.0));
        placed.into_iter().map(|(_, tick)| tick).collect()
    }
}

/// Whether two ends are further apart than rounding makes equal values.
fn differ(low: f64, high: f64) -> bool {
    high - low > 1e-9 * low.abs().max(high.abs())
}

/// The least of 1, 2, 2.5 or 5 times a power of ten that is at least `rough`.
fn nice_step(rough: f64) -> f64 {
    let unit = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * unit)
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * unit)
}

/// A value with just the digits that tell it from its neighbours `step` away.
pub(super) fn number(value: f64, step: f64) -> String {
    let value = if value.abs() < step * 1e-6 { 0.0 } else { value };
    if value != 0.0 && (value.abs() >= 1e6 || step < 1e-4) {
        let decade = value.abs().log10().floor();
        let digits = whole((decade - step.log10().floor()).clamp(0.0, 6.0)) + usize::from(!is_power_of_ten(step));
        return power(value / 10_f64.powf(decade), decade, digits);
    }
    let digits = (0..6).find(|digits| {
        let scaled = step * 10_f64.powi(*digits);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    let text = format!("{:.*}", usize::try_from(digits.unwrap_or(6)).unwrap_or(6), value.abs());
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{}", group(&text))
}

/// A value by itself, with at most six figures: a category, or the label of a cell.
pub(super) fn plain(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_owned() } else { format!("{}∞", if value < 0.0 { "−" } else { "" }) };
    }
    let decade = value.abs().log10().floor();
    if !(-4.0..7.0).contains(&decade) {
        return power(value / 10_f64.powf(decade), decade, 4);
    }
    let digits = whole((5.0 - decade).max(0.0));
    let text = format!("{value:.digits$}").replace('-', "−");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A value with three figures.
pub(super) fn significant(value: f64) -> String {
    if !(1e-4..1e6).contains(&value.abs()) {
        return plain(value);
    }
    let digits = whole((2.0 - value.abs().log10().floor()).max(0.0));
    format!("{value:.digits$}").replace('-', "−")
}

/// How the numbers of one figure are written, so that those in a row have the same digits after the point.
#[derive(Debug, Clone, Copy)]
pub(super) enum Figures {
    /// So many digits after the point.
    Digits(usize),
    /// Each by itself: they differ too much in size.
    Each,
}

impl Figures {
    /// For these values: none after the point of whole numbers, else four figures of the largest.
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let sizes = values.filter(|value| value.is_finite() && *value != 0.0).map(f64::abs);
        let (least, most) = sizes.clone().fold((f64::INFINITY, 0.0_f64), |(l, m), size| (l.min(size), m.max(size)));
        if !(1e-3..1e6).contains(&most) || most / least > 1e4 {
            return Self::Each;
        }
        if sizes.clone().all(|size| size.fract() == 0.0) {
            return Self::Digits(0);
        }
        Self::Digits(whole((3.0 - most.log10().floor()).clamp(1.0, 6.0)))
    }

    pub(super) fn text(self, value: f64) -> String {
        match self {
            Self::Digits(digits) if value.is_finite() => format!("{value:.digits$}").replace('-', "−"),
            _ => plain(value),
        }
    }
}

/// Commas between thousands, from 10,000 on.
fn group(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    if whole.len() < 5 {
        return text.to_owned();
    }
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

fn is_power_of_ten(step: f64) -> bool {
    let decade = step.log10();
    (decade - decade.round()).abs() < 1e-9
}

/// `digit × 10^decade` with a raised exponent and at most `digits` after the point; a digit of 1 is left out.
fn power(digit: f64, decade: f64, digits: usize) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raise = |mark: char| mark.to_digit(10).map_or('⁻', |value| RAISED[value as usize % 10]);
    let raised: String = format!("{decade:.0}").chars().map(raise).collect();
    let text = format!("{digit:.digits$}").replace('-', "−");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "1" { format!("10{raised}") } else { format!("{text}×10{raised}") }
}

#[expect(clippy::cast_precision_loss, reason = "counts of pixels, ticks and bands")]
pub(super) fn count(value: usize) -> f64 {
    value as f64
}

/// The whole part of a number that is not negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, which is what is wanted")]
pub(super) fn whole(value: f64) -> usize {
    value.floor() as usize
}
