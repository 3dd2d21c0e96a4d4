use super::*;
use proptest::prelude::*;

fn q(text: &str) -> Quantity {
    text.parse().unwrap()
}

#[test]
fn the_same_amount_in_mixed_units_is_one_amount() {
    for (a, b) in [
        ("1", "1000m"),
        ("1Gi", "1073741824"),
        ("16079G", "16079e9"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1E", "1000P"),
        ("1e3", "1k"),
    ] {
        assert_eq!(q(a), q(b), "{a} {b}");
    }
}

#[test]
fn amounts_are_written_as_people_write_them() {
    for text in [
        "3372", "1024", "1500m", "16079G", "943T", "4000Gi", "128Mi", "0", "1T", "1Ti",
    ] {
        assert_eq!(q(text).to_string(), text);
    }
}

#[test]
fn what_kubernetes_rounds_up_is_rounded_up() {
    assert_eq!(q("0.0000000001"), q("1n"));
}

#[test]
fn absurd_negative_and_malformed_are_told_apart() {
    assert!(matches!(
        "1e30".parse::<Quantity>(),
        Err(QuantityError::TooLarge(_))
    ));
    assert!(matches!(
        "8Ei".parse::<Quantity>(),
        Err(QuantityError::TooLarge(_))
    ));
    assert!(matches!(
        "-1".parse::<Quantity>(),
        Err(QuantityError::Negative(_))
    ));
    for text in ["", "x", "1.2.3", "1 Gi", "Gi", "1gi", "1e", "０", "."] {
        assert!(
            matches!(text.parse::<Quantity>(), Err(QuantityError::Syntax(_))),
            "{text}"
        );
    }
}

#[test]
fn a_change_below_a_percent_is_not_worth_a_write_but_one_from_zero_is() {
    let cpu = |units| ResourceList::from([("requests.cpu", Quantity::units(units))]);
    let whole = cpu(1000);
    assert_eq!(cpu(109).steady(Some(&cpu(100)), &whole), cpu(100));
    assert_eq!(cpu(110).steady(Some(&cpu(100)), &whole), cpu(110));
    assert_eq!(cpu(1).steady(Some(&cpu(0)), &whole), cpu(1));
    assert_eq!(cpu(1).steady(None, &whole), cpu(1));
}

#[test]
fn a_ratio_is_exact() {
    assert_eq!(q("3372").times("1.5".parse().unwrap()), q("5058"));
    assert_eq!("1.50".parse::<Ratio>().unwrap().to_string(), "1.5");
    assert!("0".parse::<Ratio>().is_err());
    assert!("1.2345".parse::<Ratio>().is_err());
}

proptest! {
    #[test]
    fn text_and_value_round_trip(nanos in 0..=MAX) {
        let amount = Quantity(nanos);
        prop_assert_eq!(amount.to_string().parse::<Quantity>().unwrap(), amount);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = text.parse::<Quantity>();
    }
}
