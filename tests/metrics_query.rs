//! Frames asked in SQL: what works, and what people read when it does not.

use wasabi::metrics::{Frame, Value};

fn v(value: impl Into<Value>) -> Option<Value> {
    Some(value.into())
}

fn runs() -> Frame {
    let split = [v("train"), v("val"), v("val"), v("test"), v("train"), None];
    let d_state = [v(16), v(64), v(64), v(16), v(64), v(256)];
    let bits = [v(3.25), v(2.5), v(2.75), v(3.0), v(2.25), None];
    let lr = [v(1e-3), v(4e-3), v(1e-3), v(4e-3), v(1e-3), v(1e-3)];
    let done = [v(true), v(true), v(false), v(true), v(true), v(false)];
    Frame::from_values([
        ("split", &split[..]),
        ("d_state", &d_state),
        ("bits", &bits),
        ("lr", &lr),
        ("done", &done),
    ])
    .expect("five columns")
}

#[test]
fn explore() {
    let frame = runs();
    let mut out = String::new();
    for sql in include_str!("/tmp/exprs.txt").lines().filter(|l| !l.is_empty()) {
        let (kind, sql) = sql.split_once(' ').unwrap();
        let r = match kind {
            "f" => frame.filter(sql).map(|f| f.height().to_string()),
            "w" => frame.with_column("x", sql).map(|f| format!("{:?}", f.values("x").unwrap().map(|v| v.map(|v| match v { Value::Int(i) => format!("i{i}"), Value::Real(r) => format!("r{r}"), Value::Text(t) => t, Value::Bool(b) => b.to_string() }).unwrap_or("null".into())).collect::<Vec<_>>())),
            "s" => frame.select(&[sql]).map(|f| format!("{:?} {}", f.columns(), f.height())),
            "o" => frame.sort(sql, false).map(|f| format!("{:?}", f.numbers("bits"))),
            "q" => frame.sql(sql, &[("other", &frame)]).map(|f| format!("{:?} {}", f.columns(), f.height())),
            "g" => frame.group_by(&["d_state"]).and_then(|g| g.agg(&[wasabi::metrics::Aggregation::parse("bits", sql)?])).map(|f| format!("{f}")),
            _ => panic!("{kind}"),
        };
        out += &match r {
            Ok(t) => format!("OK   {kind} {sql}   => {t}\n"),
            Err(e) => format!("ERR  {kind} {sql}\n       {e}\n       hint: {:?}\n", e.hint()),
        };
    }
    std::fs::write("/tmp/explored.txt", out).unwrap();
}
