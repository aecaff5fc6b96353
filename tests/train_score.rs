//! Scores: the golden losses and accuracies, ties, and targets that do not count.

use crate::support::Case;
use tch::{Device, Kind, Tensor};
use wasabi::train::{TOP, ranks, score, summed_nll};

#[test]
fn model_cases_give_the_stated_loss_bits_and_accuracies() {
    for case in Case::all(&["model_"]) {
        let tensor = |name: &str| {
            let golden = case.tensor(name);
            Tensor::from_slice(&golden.values).reshape(golden.shape.as_slice())
        };
        let (logits, targets) = (tensor("logits"), tensor("y").to_kind(Kind::Int64).squeeze_dim(-1));
        let rows = score(&logits, &targets).expect("scores");
        let positions = targets.numel() as f64;
        let nll = rows.iter().map(|row| row.nll).sum::<f64>() / rows.iter().map(|row| row.counted).sum::<u64>() as f64;
        case.check_within("loss", &[nll], 1e-12);
        case.check_within("bpb", &[wasabi::metrics::bits_per_byte(nll, 256)], 1e-12);
        for (index, k) in TOP.into_iter().enumerate() {
            // The reference counts a target of −100 as wrong.
            let hits: u64 = rows.iter().map(|row| row.hits[index]).sum();
            let name = if k == 1 { "accuracy".to_owned() } else { format!("accuracy_at_{k}") };
            case.check_within(&name, &[hits as f64 / positions], 1e-12);
        }
    }
}

#[test]
fn a_guess_that_says_the_same_of_all_levels_scores_eight_bits_and_is_right_once_in_256() {
    let logits = Tensor::zeros([1, 256, 256], (Kind::Double, Device::Cpu));
    let targets = Tensor::arange(256, (Kind::Int64, Device::Cpu)).unsqueeze(0);
    let rows = score(&logits, &targets).expect("scores");
    assert!((wasabi::metrics::bits_per_byte(rows[0].nll / 256.0, 256) - 8.0).abs() < 1e-12);
    assert_eq!(rows[0].hits, [1, 3, 5, 10]);
    let found: Vec<i64> = Vec::try_from(&ranks(&logits, &targets).expect("ranks").reshape([-1])).expect("ranks");
    assert_eq!(found, (0..256).collect::<Vec<i64>>());
}

#[test]
fn targets_that_do_not_count_add_nothing_to_any_sum() {
    let logits = Tensor::from_slice(&[0.0, 5.0, 1.0, 2.0, 0.0, 9.0]).reshape([1, 3, 2]);
    let targets = Tensor::from_slice(&[1_i64, -100, 0]).reshape([1, 3]);
    let row = score(&logits, &targets).expect("scores")[0];
    let needed = (1.0 + (-5.0_f64).exp()).ln() + (1.0 + 9.0_f64.exp()).ln();
    assert!((row.nll - needed).abs() < 1e-12);
    // With two levels every target that counts is among the 3 largest, and none that does not.
    assert_eq!((row.counted, row.hits), (2, [1, 2, 2, 2]));
    assert!((summed_nll(&logits, &targets).expect("a loss").double_value(&[]) - needed).abs() < 1e-12);
}
