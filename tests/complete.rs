//! What Tab offers and what the faint text behind the cursor says, without a terminal.

use wasabi::script::Session;

use crate::script_fixture::Listener;

fn session() -> Session {
    let mut session = Listener::default().session();
    let typed =
        "let net = sashimi(#{ d_model: 8, n_layers: 1, d_state: 8 }); let words = \"a\"; fn twice(x, times) { x }";
    session.evaluate(typed).expect("three definitions");
    session
}

/// The texts that could replace what is typed at the end of `line`.
fn offered(line: &str) -> Vec<String> {
    session().complete(line).candidates.into_iter().map(|candidate| candidate.text).collect()
}

#[test]
fn a_name_becomes_a_function_a_variable_or_a_word_of_the_language() {
    assert_eq!(offered("let a = sashi"), ["sashimi("]);
    assert_eq!(offered("print(net); twi"), ["twice("]);
    assert_eq!(offered("ne"), ["net"]);
    assert!(offered("wh").contains(&"while".to_owned()));
    assert!(offered("").is_empty(), "nothing is offered where nothing was begun");
    let begun = offered("su");
    assert!(begun.iter().all(|name| !matches!(name.as_str(), "sum(" | "summary(" | "summary()")), "methods: {begun:?}");
    assert!(offered("mi").contains(&"min(".to_owned()), "Rhai's own function of numbers");
    assert!(!offered("pus").contains(&"push(".to_owned()), "an array's method");
}

#[test]
fn a_dot_offers_what_the_value_before_it_has_and_nothing_else() {
    assert_eq!(offered("net.para"), ["parameters"]);
    assert!(offered("words.le").contains(&"len()".to_owned()), "Rhai's own: {:?}", offered("words.le"));
    for line in ["table([\"n\"], [[1]]).", "table([\"n\"], [[1]]).head(1).", "let f = table([\"n\"], [[1]]); f."] {
        let found = offered(line);
        assert!(found.contains(&"sort(".to_owned()) && found.contains(&"height".to_owned()), "{line}: {found:?}");
        assert!(!found.contains(&"is_trained".to_owned()), "a model's: {found:?}");
    }
    assert!(offered("[1, 2].pus").contains(&"push(".to_owned()));
    assert_eq!(offered("net.summ"), ["summary()"], "no arguments: the brackets are closed");
    assert_eq!(offered("net.kernel"), ["kernel(", "kernels("]);
}

#[test]
fn what_a_closure_is_handed_is_known_from_the_option_or_the_array() {
    let has = |line: &str, name: &str| offered(line).contains(&name.to_owned());
    for call in ["train(net, music, #{ ", "load_run(\"a\").resume(#{ steps: 3, ", "resume(\"a\", #{ "] {
        let (step, eval) = (format!("{call}on_step: |s| s."), format!("{call}on_eval: |e| {{ let a = 1; e."));
        assert!(has(&step, "grad_norm") && has(&step, "stop(") && !has(&step, "parameters"), "{:?}", offered(&step));
        assert!(has(&eval, "evaluation") && !has(&eval, "grad_norm"), "{:?}", offered(&eval));
    }
    assert!(has("[net].map(|m| m.", "parameters") && !has("[net].map(|m| m.", "sort("));
    assert!(has("[net, net].filter(|m| m.is_trained).map(|m| m.", "parameters"));
    assert!(has("[1].map(|n| train(net, music)).filter(|r| r.", "best_bits_per_byte"));
    assert!(offered("something.map(|m| m.").is_empty(), "nothing is known of it");
    assert_eq!(offered("something.map(|m| m.is_tr"), ["is_trained"], "what was typed narrows it");
}

#[test]
fn variables_of_loops_have_the_type_of_what_is_gone_through_and_parameters_of_functions_none() {
    let has = |line: &str, name: &str| offered(line).contains(&name.to_owned());
    assert!(has("for m in [net, net] { m.", "parameters") && !has("for m in [net] { m.", "sort("));
    assert!(has("for take in generate(net) { take.", "seconds"));
    assert!(has("let nets = [net]; for (m, i) in nets { print(i); m.", "is_causal"));
    assert!(!has("for i in 0..3 { i.", "parameters") && !has("for (m, i) in [net] { i.", "parameters"));
    assert!(has("for b in net.blocks { b.", "kind"));
    assert!(offered("fn f(net) { net.").is_empty(), "a parameter, and not the variable of that name");
    assert!(offered("for x in unknown() { x.").is_empty());
}

#[test]
fn a_map_offers_the_options_of_its_own_call_that_are_not_given_yet() {
    assert_eq!(offered("sashimi(#{ d_s"), ["d_state: "]);
    assert_eq!(offered("sashimi(#{ d_state: 64, d_"), ["d_model: "]);
    assert_eq!(offered("train(sashimi(#{ d_state: 8 }), music, #{ step"), ["steps: "]);
    assert_eq!(offered("tier([s4()]).pool(4, #{ e"), ["expand: "]);
    assert!(!offered("sashimi(#{ d_state: ne").contains(&"d_model: ".to_owned()), "a value, not a name");
    assert!(offered("sashimi(#{ d_state: ne").contains(&"net".to_owned()));
}

#[test]
fn a_text_offers_the_choices_of_its_option() {
    let found = session().complete("sashimi(#{ preset: \"re");
    assert_eq!(found.candidates.iter().map(|c| c.text.as_str()).collect::<Vec<_>>(), ["repo"]);
    let path = |line: &str| session().complete(line).path;
    assert!(path("audio(\"da") && path("train(net, music, #{ out: \"") && path("net.summary().to_csv(\""));
    assert!(!path("print(\"da") && !path("report(\"") && !path("let a = \"") && !path("words.contains(\""));
}

#[test]
fn a_text_offers_the_choices_that_the_signature_names() {
    assert_eq!(offered("corpus(\"data\").paths(\""), ["train", "val", "test"]);
    assert_eq!(offered("plot([1]).legend(\"b"), ["below"]);
    assert_eq!(offered("evaluate(net, music, \"v"), ["val"]);
    assert_eq!(offered("table([\"a\"], [[1]]).join(other, \"a\", \"le"), ["left"]);
    assert!(!session().complete("plot([1]).theme(\"").path);
}

#[test]
fn a_text_offers_the_columns_of_the_frame_at_hand() {
    let mut session = session();
    session.evaluate("let f = table([\"d_state\", \"d_model\", \"bits\"], [[1, 2, 3.0]]);").expect("a frame");
    let offered = |line: &str| {
        let found = session.complete(line);
        assert!(!found.path, "{line}");
        found.candidates.into_iter().map(|candidate| candidate.text).collect::<Vec<_>>()
    };
    assert_eq!(offered("f.column(\"b"), ["bits"]);
    assert_eq!(offered("f.filter(\"bits < 3 AND d_"), ["d_state", "d_model"]);
    assert_eq!(session.complete("f.filter(\"bits < 3 AND d_").start, "f.filter(\"bits < 3 AND ".len());
    assert_eq!(offered("f.head(3).sort(\"").len(), 3);
    assert_eq!(offered("let g = f.filter(\"bits < 3\"); g.select([\"bits\", \"d_m"), ["d_model"]);
    assert_eq!(offered("f.group_by(\"d_state\").agg(#{ bits: \"me"), ["mean", "median"]);
    assert_eq!(offered("f.group_by(\"d_state\").agg(#{ bi"), ["bits: "]);
    assert_eq!(offered("heatmap(f, #{ x: \"d_s"), ["d_state"]);
    assert_eq!(offered("table([\"one\", \"two\"], []).sort(\"t"), ["two"]);
    assert_eq!(offered("f.pivot(#{ rows: \"d_state\", aggregate: \"med"), ["median"]);
}

#[test]
fn a_hint_names_the_arguments_that_are_still_missing() {
    let hint = |line: &str| session().hint(line).unwrap_or_default();
    assert_eq!(hint("train("), "model, corpus, #{ … })");
    assert_eq!(hint("train(net, "), "corpus, #{ … })");
    assert_eq!(hint("train(net"), ", corpus, #{ … })");
    assert_eq!(hint("twice(1,"), " times)");
    assert_eq!(hint("net"), "");
    let option = hint("sashimi(#{ d_state:");
    assert!(option.contains("integer = 64"), "{option}");
    assert!(hint("sashimi(#{ ").contains("d_model, n_layers"));
}
