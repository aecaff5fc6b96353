//! Compositions as text: the script that makes them, and a line for people.

use serde_json::Value;

use super::super::audio::plural;
use crate::model::{BlockSpec, FeedForwardConfig, LstmConfig, Mode, ModelSpec, S4Config, SashimiConfig, TierSpec};
use crate::options::{Field, Options};

/// The longest run of different blocks that is looked for repeating.
const LONGEST_PERIOD: usize = 16;

/// The script that makes a block: `s4(#{ d_state: 128 })`.
pub(super) fn of_block(block: &BlockSpec) -> String {
    let call = |name: &str, options: Option<String>| format!("{name}({})", options.unwrap_or_default());
    match block {
        BlockSpec::S4(config) if config.mode == Mode::S4d => call("s4d", options(config, S4Config::diagonal_fields())),
        BlockSpec::S4(config) => call("s4", options(config, S4Config::dplr_fields())),
        BlockSpec::Ff(config) if *config == (FeedForwardConfig { expand: config.expand, ..Default::default() }) => {
            format!("ff({})", config.expand)
        }
        BlockSpec::Ff(config) => call("ff", options(config, FeedForwardConfig::fields())),
        BlockSpec::Lstm(config) => match config.d_hidden {
            Some(units) if *config == (LstmConfig { d_hidden: Some(units), ..Default::default() }) => {
                format!("lstm({units})")
            }
            _ => call("lstm", options(config, LstmConfig::fields())),
        },
    }
}

/// The script that makes a tier, a line for each tier.
pub(super) fn of_tier(tier: &TierSpec) -> String {
    let mut text = format!("tier({})", blocks(&tier.blocks));
    if !tier.down.is_empty() {
        text = format!("tier({}, {})", blocks(&tier.down), blocks(&tier.blocks));
    }
    if let Some(pool) = &tier.pool {
        let expand = if pool.expand == 2 { String::new() } else { format!("#{{ expand: {} }}, ", pool.expand) };
        let inner = of_tier(&pool.inner).replace('\n', "\n    ");
        text.push_str(&format!("\n    .pool({}, {expand}{inner})", pool.factor));
    }
    text
}

/// The script that makes a composition: the short form where there is one.
pub(super) fn of_model(spec: &ModelSpec) -> String {
    if let Some(config) = SashimiConfig::of(spec) {
        let (name, fields) = if config.pool.is_empty() && !config.unet {
            ("isotropic", SashimiConfig::isotropic_fields())
        } else {
            ("sashimi", SashimiConfig::fields())
        };
        return format!("{name}({})", options(&config, fields).unwrap_or_default());
    }
    let config = spec.config();
    let options = options(&config, crate::model::ModelConfig::fields());
    let options = options.map(|options| format!(", {options}")).unwrap_or_default();
    format!("model({}{options})", of_tier(&spec.tier))
}

/// What differs from the defaults, as a script's map.
fn options<T: Options>(config: &T, fields: &[Field]) -> Option<String> {
    let settings = serde_json::to_value(config).ok()?;
    let changed = fields.iter().filter(|field| settings[field.name] != (field.default)());
    let entries: Vec<String> =
        changed.map(|field| format!("{}: {}", field.name, literal(&settings[field.name]))).collect();
    if entries.is_empty() { None } else { Some(format!("#{{ {} }}", entries.join(", "))) }
}

/// A setting as a script writes it.
pub(in crate::script::bind) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "()".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.to_string(),
            (None, Some(real)) => format!("{real:?}"),
            (None, None) => number.to_string(),
        },
        other => other.to_string(),
    }
}

fn blocks(blocks: &[BlockSpec]) -> String {
    array(&blocks.iter().map(of_block).collect::<Vec<_>>())
}

/// Items as an array, repeated ones with `repeat`.
pub(super) fn array(items: &[String]) -> String {
    let plain = |items: &[String]| format!("[{}]", items.join(", "));
    let runs = runs(items, |one, other| one == other);
    if let [run] = runs.as_slice()
        && run.times > 1
    {
        return format!("repeat({}, {})", run.times, plain(&items[..run.period]));
    }
    let piece = |run: &Run| {
        let once = &items[run.start..run.start + run.period];
        // Two of one are shorter written out.
        if run.times * run.period <= 2 {
            return vec![once.join(", "); run.times].join(", ");
        }
        if run.times == 1 { once.join(", ") } else { format!("repeat({}, {})", run.times, plain(once)) }
    };
    format!("[{}]", runs.iter().map(piece).collect::<Vec<_>>().join(", "))
}

/// `period` items from `start` that come `times` times in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) period: usize,
    pub(super) times: usize,
}

/// `items` as runs, each as long as can be from where the one before ends.
pub(super) fn runs<T>(items: &[T], alike: impl Fn(&T, &T) -> bool) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = 0;
    while start < items.len() {
        let left = &items[start..];
        let times = |period: usize| {
            let same = (period..left.len()).take_while(|at| alike(&left[*at], &left[at - period])).count();
            1 + same / period
        };
        let candidates = (1..=LONGEST_PERIOD.min(left.len())).map(|period| Run { start, period, times: times(period) });
        // The one that takes in the most; of equals the shortest. One that repeats nothing takes in a single item.
        let covered = |run: &Run| if run.times == 1 { 1 } else { run.period * run.times };
        let best = candidates.reduce(|best, next| if covered(&next) > covered(&best) { next } else { best });
        let run = best.unwrap_or(Run { start, period: 1, times: 1 });
        start += run.period * run.times;
        runs.push(run);
    }
    runs
}

/// `370112` as `370 112`, with thin spaces.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// `tier of 8 blocks, pooled by 4 into tier of 8 blocks`.
pub(super) fn outline(tier: &TierSpec) -> String {
    let own = format!("tier of {}", plural(tier.down.len() + tier.blocks.len(), "block"));
    match &tier.pool {
        Some(pool) => format!("{own}, pooled by {} into {}", pool.factor, outline(&pool.inner)),
        None => own,
    }
}
