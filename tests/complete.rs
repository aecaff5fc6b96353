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
}

#[test]
fn a_dot_offers_what_the_value_before_it_has_and_nothing_else() {
    assert_eq!(offered("net.para"), ["parameters"]);
    assert!(offered("words.le").contains(&"len(".to_owned()), "Rhai's own: {:?}", offered("words.le"));
    for line in ["table([\"n\"], [[1]]).", "table([\"n\"], [[1]]).head(1).", "let f = table([\"n\"], [[1]]); f."] {
        let found = offered(line);
        assert!(found.contains(&"sort(".to_owned()) && found.contains(&"height".to_owned()), "{line}: {found:?}");
        assert!(!found.contains(&"is_trained".to_owned()), "a model's: {found:?}");
    }
    assert!(offered("[1, 2].pus").contains(&"push(".to_owned()));
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
    assert!(session().complete("audio(\"da").path, "elsewhere a path");
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
