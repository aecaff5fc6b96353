//! Schedules: pure functions of the step, with no jump where they should be continuous, and the same after JSON.

use proptest::prelude::*;
use wasabi::train::{Schedule, ScheduleError, Validation};

fn at(schedule: &Schedule, step: u64) -> f64 {
    schedule.at(step, &[])
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

proptest! {
    #[test]
    fn warm_up_rises_in_a_straight_line_from_zero_to_one(steps in 1_u64..5000, step in 0_u64..5000) {
        let schedule = Schedule::warmup(steps);
        prop_assert_eq!(at(&schedule, 0), 0.0);
        prop_assert!(close(at(&schedule, steps), 1.0));
        prop_assert!(close(at(&schedule, step), (step as f64 / steps as f64).min(1.0)));
    }

    #[test]
    fn cosine_falls_from_one_to_its_floor_and_stays(steps in 1_u64..5000, floor in 0.0..1.0, after in 0_u64..100) {
        let schedule = Schedule::cosine(floor, Some(steps));
        prop_assert!(close(at(&schedule, 0), 1.0));
        prop_assert!(close(at(&schedule, steps + after), floor));
        for step in 0..steps.min(300) {
            prop_assert!(at(&schedule, step + 1) <= at(&schedule, step), "rises after {}", step);
        }
        if steps % 2 == 0 {
            prop_assert!(close(at(&schedule, steps / 2), (1.0 + floor) / 2.0));
        }
    }

    #[test]
    fn warm_up_then_cosine_never_jumps(warm in 1_u64..500, steps in 1_u64..2000, floor in 0.0..1.0) {
        let schedule = Schedule::warmup(warm).then(Schedule::cosine(floor, Some(steps)));
        // Neither part is ever steeper than this.
        let steepest = (1.0 / warm as f64).max(std::f64::consts::FRAC_PI_2 / steps as f64);
        for step in 0..warm + steps + 5 {
            let jump = (at(&schedule, step + 1) - at(&schedule, step)).abs();
            prop_assert!(jump <= steepest + 1e-12, "jumps by {} after {}", jump, step);
        }
        prop_assert!(close(at(&schedule, warm), 1.0));
        prop_assert!(close(at(&schedule, warm + steps), floor));
    }

    #[test]
    fn scaling_multiplies_every_step(by in 0.0..10.0, step in 0_u64..400) {
        let plain = Schedule::warmup(50).then(Schedule::linear(1.0, 0.2, Some(200)));
        prop_assert!(close(at(&plain.clone().scaled(by), step), by * at(&plain, step)));
    }

    #[test]
    fn repeating_starts_again_and_ends_on_the_last_value(steps in 1_u64..50, times in 1_u64..6, step in 0_u64..400) {
        let once = Schedule::cosine(0.1, Some(steps));
        let schedule = once.clone().repeat(Some(times));
        prop_assert_eq!(schedule.length(), Some(steps * times));
        let expected = if step >= steps * times { 0.1 } else { at(&once, step % steps) };
        prop_assert!(close(at(&schedule, step), expected));
    }

    #[test]
    fn step_decay_drops_after_every_so_many_updates(every in 1_u64..50, step in 0_u64..400) {
        let schedule = Schedule::step_decay(every, 0.5);
        prop_assert!(close(at(&schedule, step), 0.5_f64.powi((step / every) as i32)));
    }

    #[test]
    fn a_schedule_read_from_json_is_the_one_written(warm in 1_u64..500, floor in 0.0..1.0, patience in 0_u64..30) {
        let schedule = Schedule::warmup(warm)
            .then(Schedule::cosine(floor, Some(10)).repeat(Some(3)))
            .then(Schedule::plateau(0.5, patience).scaled(floor));
        let json = serde_json::to_string(&schedule).expect("JSON");
        let back: Schedule = serde_json::from_str(&json).expect("the same schedule");
        for step in 0..warm + 40 {
            prop_assert!(close(at(&back, step), at(&schedule, step)), "{}", json);
        }
        prop_assert_eq!(back.length(), schedule.length());
    }
}

proptest! {
    #[test]
    fn exponential_multiplies_by_the_same_factor_at_each_update(from in 0.01..10.0, to in 0.01..10.0, steps in 2_u64..500) {
        let schedule = Schedule::exponential(from, to, Some(steps));
        prop_assert!(close(at(&schedule, 0), from));
        prop_assert!((at(&schedule, steps + 3) / to - 1.0).abs() < 1e-9);
        let ratio = |step| at(&schedule, step + 1) / at(&schedule, step);
        for step in 0..steps {
            prop_assert!((ratio(step) / ratio(0) - 1.0).abs() < 1e-9, "after {}", step);
        }
    }

    #[test]
    fn the_extremes_hold_every_value_of_a_run(
        a in 0.0..3.0, b in 0.0..3.0, step in 1_u64..60, times in 1_u64..5, total in 1_u64..400,
    ) {
        for schedule in [
            Schedule::linear(a, b, None),
            Schedule::cosine(a, None),
            Schedule::warmup(step).then(Schedule::exponential(a + 0.1, b + 0.1, None)).scaled(b),
            Schedule::step_decay(step, a),
            Schedule::cosine(a, Some(step)).repeat(Some(times)),
            Schedule::piecewise(vec![(step, a), (2 * step, b), (5 * step, a + b)]),
            Schedule::stairs(vec![(0, b), (step, a), (3 * step, 0.5)]),
            Schedule::constant().scaled(a),
        ] {
            let schedule = schedule.resolved(total);
            let (least, most) = schedule.extremes(total);
            for step in 0..total {
                let value = at(&schedule, step);
                prop_assert!(least - 1e-9 <= value && value <= most + 1e-9, "{:?} at {}: {}", schedule, step, value);
            }
        }
    }
}

#[test]
fn piecewise_goes_straight_from_point_to_point_and_stairs_jump() {
    let points = vec![(10, 1.0), (20, 3.0), (40, 0.0)];
    let lines = Schedule::piecewise(points.clone());
    for (step, needed) in [(0, 1.0), (10, 1.0), (15, 2.0), (20, 3.0), (30, 1.5), (40, 0.0), (99, 0.0)] {
        assert!(close(at(&lines, step), needed), "line at {step}: {}", at(&lines, step));
    }
    let stairs = Schedule::stairs(points);
    for (step, needed) in [(0, 1.0), (19, 1.0), (20, 3.0), (39, 3.0), (40, 0.0), (99, 0.0)] {
        assert!(close(at(&stairs, step), needed), "stair at {step}: {}", at(&stairs, step));
    }
    assert_eq!((lines.length(), stairs.length()), (Some(40), None));
    assert!(close(at(&lines.then(Schedule::constant()), 50), 1.0), "something follows the last point");
}

#[test]
fn points_must_go_on_in_order_and_there_must_be_some() {
    let error = Schedule::piecewise(vec![]).validate().expect_err("no points");
    assert_eq!(error, ScheduleError::NoPoints { kind: "piecewise" });
    let error = Schedule::stairs(vec![(0, 1.0), (5, 2.0), (5, 3.0)]).validate().expect_err("twice at 5");
    assert_eq!(error, ScheduleError::Disorder { kind: "stairs", point: 3, found: 5, before: 5 });
    assert!(Schedule::piecewise(vec![(0, -1.0)]).validate().is_err());
}

#[test]
fn a_number_is_a_schedule_of_that_number() {
    let schedule: Schedule = serde_json::from_str("0.25").expect("a number");
    assert_eq!(schedule, Schedule::constant().scaled(0.25));
    let back: Schedule = serde_json::from_str(&serde_json::to_string(&schedule).expect("JSON")).expect("the same");
    assert_eq!(back, schedule);
    let points = Schedule::piecewise(vec![(0, 512.0), (7, 0.1)]);
    let back: Schedule = serde_json::from_str(&serde_json::to_string(&points).expect("JSON")).expect("the same");
    assert_eq!(back, points);
}

#[test]
fn only_what_waits_for_the_length_of_the_run_is_open() {
    assert!(Schedule::warmup(3).then(Schedule::cosine(0.0, None)).scaled(2.0).is_open());
    assert!(!Schedule::linear(0.0, 1.0, Some(5)).is_open() && !Schedule::constant().is_open());
    assert!(!Schedule::linear(0.0, 1.0, None).resolved(9).is_open());
}

/// One validation every 10 updates.
fn validations(losses: &[f64]) -> Vec<Validation> {
    losses.iter().zip(1..).map(|(&nll, index)| Validation { step: index * 10, nll }).collect()
}

#[test]
fn a_plateau_drops_only_after_more_than_patience_validations_without_improvement() {
    let schedule = Schedule::plateau(0.2, 2);
    let seen = validations(&[3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]);
    let factors: Vec<f64> = (1..=8).map(|index| schedule.at(index * 10, &seen)).collect();
    // Bad ones in a row: 0 0 1 2 3 → drop, 1 2 3 → drop.
    for (found, needed) in factors.iter().zip([1.0, 1.0, 1.0, 1.0, 0.2, 0.2, 0.2, 0.04]) {
        assert!(close(*found, needed), "{factors:?}");
    }
}

#[test]
fn an_improvement_starts_the_patience_anew_and_a_tiny_one_does_not() {
    let schedule = Schedule::plateau(0.2, 2);
    let improving = validations(&[2.0, 2.0, 2.0, 1.9, 1.9, 1.9]);
    assert!(close(schedule.at(60, &improving), 1.0));
    let tiny = validations(&[2.0, 1.99999, 1.99998, 1.99997]);
    assert!(close(schedule.at(40, &tiny), 0.2));
}

#[test]
fn a_plateau_looks_only_at_validations_that_had_been_made_and_since_its_part_began() {
    let seen = validations(&[2.0; 8]);
    let schedule = Schedule::plateau(0.2, 2);
    assert!(close(schedule.at(30, &seen), 1.0), "it knew validations of later steps");
    let after_warm_up = Schedule::warmup(50).then(Schedule::plateau(0.2, 2));
    // Its own first validation, at update 60, is its best; 70 and 80 are two bad ones.
    assert!(close(after_warm_up.at(80, &seen), 1.0));
    let more = validations(&[2.0; 9]);
    assert!(close(after_warm_up.at(90, &more), 0.2));
}

#[test]
fn plateau_defaults_are_factor_a_fifth_and_patience_twenty() {
    let schedule: Schedule = serde_json::from_str("\"plateau\"").expect("a name alone");
    assert_eq!(schedule, Schedule::plateau(0.2, 20));
}

#[test]
fn the_last_part_takes_the_rest_of_the_run() {
    let schedule = Schedule::warmup(100).then(Schedule::cosine(0.0, None)).scaled(0.5).resolved(1000);
    assert_eq!(schedule.length(), Some(1000));
    assert!(close(at(&schedule, 100), 0.5) && close(at(&schedule, 550), 0.25) && close(at(&schedule, 1000), 0.0));
}

#[test]
fn nothing_can_follow_a_part_without_an_end() {
    let endless = Schedule::constant().then(Schedule::warmup(10));
    assert_eq!(endless.validate(), Err(ScheduleError::Endless { part: 1, kind: "constant" }));
    let repeated = Schedule::step_decay(10, 0.5).repeat(None);
    assert_eq!(repeated.validate(), Err(ScheduleError::EndlessRepeat { kind: "step_decay" }));
    assert_eq!(Schedule::warmup(10).then(Schedule::constant()).validate(), Ok(()));
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    for (schedule, name) in [
        (Schedule::warmup(0), "steps"),
        (Schedule::linear(1.0, -0.5, None), "to"),
        (Schedule::cosine(f64::NAN, None), "floor"),
        (Schedule::step_decay(0, 0.5), "every"),
        (Schedule::constant().scaled(f64::INFINITY), "by"),
        (Schedule::exponential(0.0, 1.0, None), "from"),
    ] {
        let error = schedule.validate().expect_err(name).to_string();
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
}

#[test]
fn a_misspelt_setting_of_a_schedule_is_refused() {
    let error = serde_json::from_str::<Schedule>(r#"{"kind": "warmup", "step": 10}"#).expect_err("misspelt");
    assert!(error.to_string().contains("step"), "{error}");
    assert!(serde_json::from_str::<Schedule>("\"cosign\"").is_err());
}
