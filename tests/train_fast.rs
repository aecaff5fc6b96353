//! The fast forms of a training step beside the plain libtorch ones.

use tch::{Device, Kind, Tensor};
use wasabi::audio::{Corpus, CorpusConfig, IGNORED_TARGET};
use wasabi::interrupt::Interrupt;
use wasabi::model::{Model, Pass, SashimiConfig};
use wasabi::seed::Seed;
use wasabi::train::{AdamW, AdamWConstants, Batches, Rates, TokenBatch, TrainError};

fn tiny(kind: Kind) -> Model {
    let config = SashimiConfig { d_model: 16, n_layers: 1, d_state: 16, pool: vec![4], ..SashimiConfig::default() };
    Model::new(&config.spec(), 256, Seed(2), Device::Cpu, kind).expect("a model")
}

fn nothing(_: &Tensor, _: &Tensor) -> Result<(), TrainError> {
    Ok(())
}

/// Loss and gradients of a batch of two sequences whose end counts nothing, in either form.
fn loss_and_gradients(plain: bool) -> (f64, Vec<f64>) {
    let model = tiny(Kind::Double);
    let length = 1500; // two chunks of positions, and part of a third
    let tokens = Tensor::arange(2 * (length + 1), (Kind::Int64, Device::Cpu)).square().remainder(251).view([2, -1]);
    let (inputs, targets) = (tokens.narrow(1, 0, length), tokens.narrow(1, 1, length).copy());
    let _ = targets.get(1).narrow(0, 900, 600).fill_(IGNORED_TARGET);
    let mut pass = Pass::train(Seed(0), 0);
    if plain {
        pass = pass.plain();
    }
    let mut seen = 0;
    let loss = model.summed_nll(&inputs, &targets, &mut pass, |logits, targets| {
        assert_eq!(logits.size(), [targets.size()[0], 256]);
        seen += targets.size()[0];
        Ok::<_, TrainError>(())
    });
    let loss = loss.expect("a loss") / 1000.0;
    assert_eq!(seen, 2 * length);
    pass.backward(&loss).expect("gradients");
    let gradients = model.params().list.iter().flat_map(|param| {
        let flat = param.tensor.grad().reshape([-1]);
        Vec::<f64>::try_from(flat).expect("numbers")
    });
    (loss.double_value(&[]), gradients.collect())
}

#[test]
fn the_loss_in_chunks_and_its_gradients_are_those_of_all_logits_at_once() {
    let ((fast, fast_gradients), (plain, plain_gradients)) = (loss_and_gradients(false), loss_and_gradients(true));
    assert!((fast - plain).abs() < 1e-12 * plain, "{fast} {plain}");
    let scale = plain_gradients.iter().fold(0.0_f64, |max, g| max.max(g.abs()));
    assert!(scale > 0.0);
    for (at, (fast, plain)) in fast_gradients.iter().zip(&plain_gradients).enumerate() {
        assert!((fast - plain).abs() < 1e-9 * scale, "{at}: {fast} {plain}");
    }
}

/// The losses of 200 updates on music, in nats a token.
fn losses(plain: bool) -> Vec<f64> {
    let corpus = CorpusConfig {
        from: concat!(env!("CARGO_MANIFEST_DIR"), "/data").into(),
        window: 512,
        ..CorpusConfig::default()
    };
    let corpus = Corpus::open(&corpus, &Interrupt::default()).expect("the music of data/");
    let model = tiny(Kind::Float);
    let mut optimizer = AdamW::new(model.params(), AdamWConstants::default()).expect("an optimiser");
    let mut batches = Batches::new(Seed(1), corpus.train().windows(), 2, 1).expect("batches");
    let rates = Rates { lr: 0.004, ssm_lr: 0.001, weight_decay: 0.01 };
    let update = |step: u64| {
        let windows = batches.batch_at(step).to_vec();
        let batch = TokenBatch::new(corpus.train(), &windows, corpus.quantizer(), 512, Device::Cpu).expect("a batch");
        optimizer.zero_gradient().expect("zeros");
        let pass = Pass::train(Seed(1), step);
        let mut pass = if plain { pass.plain() } else { pass };
        let loss = model.summed_nll(&batch.inputs, &batch.targets, &mut pass, nothing).expect("a loss");
        let loss = loss / batch.tokens as f64;
        pass.backward(&loss).expect("gradients");
        let norm = optimizer.gradient_norm().expect("a norm");
        optimizer.clip(&norm, 1.0).expect("a clip");
        optimizer.step(rates).expect("an update");
        loss.double_value(&[])
    };
    (0..200).map(update).collect()
}

#[test]
fn two_hundred_updates_on_music_follow_the_plain_path() {
    let (fast, plain) = (losses(false), losses(true));
    let off = fast.iter().zip(&plain).map(|(fast, plain)| (fast - plain).abs()).fold(0.0, f64::max);
    assert!(fast[199] < fast[0] - 0.5, "it learns: {} to {}", fast[0], fast[199]);
    assert!(off < 1e-3, "the losses are up to {off} nats a token apart");
}
