use super::*;

fn fields(more: &[(&str, &str)]) -> Fields {
    let mut all = vec![
        ("type", "Freeze"),
        ("title", "春节重保"),
        ("from", "2027-02-05T18:00"),
        ("to", "2027-02-20T08:00"),
        ("reason", "重保"),
    ];
    all.retain(|(key, _)| !more.iter().any(|(other, _)| other == key));
    all.extend(more);
    let owned = all.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
    Fields(owned.collect())
}

#[test]
fn moments_are_beijing_time_and_what_is_wrong_names_its_field() {
    let spec = read(
        Lang::Zh,
        &fields(&[("platform", "zhanjiang"), ("zone", "Extranet")]),
    );
    let spec = spec.unwrap();
    assert_eq!(spec.from.to_string(), "2027-02-05T10:00:00Z");
    assert_eq!(spec.scope.platforms, ["zhanjiang"]);
    assert_eq!(spec.scope.zones, [Zone::Extranet]);
    for (wrong, field) in [
        (("to", "2027-02-05T18:00"), "to"),
        (("from", "bald"), "from"),
        (("type", "Party"), "type-1"),
        (("title", " "), "title"),
        (("reason", ""), "reason"),
    ] {
        let errors = read(Lang::Zh, &fields(&[wrong])).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].0, field);
    }
}
