use super::*;

fn arrival(name: &str) -> Arrival {
    Arrival {
        user: User {
            name: name.to_owned(),
            groups: vec!["zhanjiang-dsj".into()],
            post: Some("approver"),
        },
        level: "City".into(),
        authenticated: at(0),
        way: Way::Demo,
        provider_session: String::new(),
        agent: "Firefox ".repeat(100),
    }
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
}

async fn both() -> (tempfile::TempDir, [Sessions; 2]) {
    let dir = tempfile::TempDir::new().unwrap();
    let url = format!("sqlite:{}", dir.path().join("portal.db").display());
    let db = Db::open(&url.parse().unwrap()).await.unwrap();
    let kept = Sessions::default();
    let stored = Sessions::in_database(db, kept.idle, kept.life);
    (dir, [kept, stored])
}

#[tokio::test]
async fn a_session_is_found_by_its_token_until_it_ends() {
    let (_dir, both) = both().await;
    for sessions in both {
        let token = sessions.begin(&arrival("cs-owner"), at(0)).await.unwrap();
        assert_eq!(token.len(), 64);
        let found = sessions.find(&token, at(1)).await.unwrap().unwrap();
        assert_eq!(
            (&*found.user.name, found.user.post),
            ("cs-owner", Some("approver"))
        );
        assert_eq!((found.user.groups.len(), &*found.level), (1, "City"));
        assert!(found.agent.len() <= LONGEST_AGENT && found.digest != token);
        assert!(sessions.find("0", at(1)).await.unwrap().is_none());
        sessions.end(&token).await.unwrap();
        assert!(sessions.find(&token, at(1)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn it_ends_an_hour_after_its_last_use_and_ten_hours_after_its_beginning() {
    let (_dir, both) = both().await;
    for sessions in both {
        let idle = sessions.begin(&arrival("a"), at(0)).await.unwrap();
        assert!(sessions.find(&idle, at(59)).await.unwrap().is_some());
        assert!(sessions.find(&idle, at(60)).await.unwrap().is_none());
        let busy = sessions.begin(&arrival("b"), at(0)).await.unwrap();
        for hour in 1..20 {
            let now = at(hour * 30);
            let found = sessions.find(&busy, now).await.unwrap();
            sessions.touch(&found.unwrap(), now).await;
        }
        assert!(sessions.find(&busy, at(599)).await.unwrap().is_some());
        assert!(sessions.find(&busy, at(600)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn who_proves_again_who_they_are_gets_another_token_and_the_old_one_is_worth_nothing() {
    let (_dir, both) = both().await;
    for sessions in both {
        let old = sessions.begin(&arrival("cs-owner"), at(0)).await.unwrap();
        let session = sessions.find(&old, at(1)).await.unwrap().unwrap();
        let new = sessions
            .renew(&session, at(5), at(5))
            .await
            .unwrap()
            .unwrap();
        assert!(new != old && sessions.find(&old, at(6)).await.unwrap().is_none());
        let renewed = sessions.find(&new, at(6)).await.unwrap().unwrap();
        assert_eq!((renewed.authenticated, renewed.began), (at(5), at(0)));
        assert_eq!(renewed.form_token, session.form_token);
        // Twice with the same old session: the second is nobody's.
        assert!(
            sessions
                .renew(&session, at(7), at(7))
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_person_sees_and_ends_their_own_sessions_only() {
    let (_dir, both) = both().await;
    for sessions in both {
        let mut tokens = Vec::new();
        for name in ["a", "a", "b", "a"] {
            tokens.push(sessions.begin(&arrival(name), at(0)).await.unwrap());
        }
        assert_eq!(sessions.of("a", at(1)).await.unwrap().len(), 3);
        let own = sessions.find(&tokens[0], at(1)).await.unwrap().unwrap();
        assert_eq!(sessions.end_others(&own).await.unwrap(), 2);
        assert_eq!(sessions.of("a", at(1)).await.unwrap().len(), 1);
        assert!(sessions.find(&tokens[2], at(1)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn the_sessions_of_a_person_are_bounded() {
    let (_dir, [_, sessions]) = both().await;
    let first = sessions.begin(&arrival("a"), at(0)).await.unwrap();
    for minute in 1..=30 {
        sessions.begin(&arrival("a"), at(minute)).await.unwrap();
    }
    assert_eq!(sessions.of("a", at(31)).await.unwrap().len(), OF_A_PERSON);
    assert!(sessions.find(&first, at(31)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_another_version_kept_is_no_session() {
    let (_dir, [_, sessions]) = both().await;
    let token = sessions.begin(&arrival("a"), at(0)).await.unwrap();
    let Store::Database(db) = &sessions.store else {
        unreachable!("the second is in the database")
    };
    sqlx::query("UPDATE sessions SET contents = '{}'")
        .execute(db.pool())
        .await
        .unwrap();
    assert!(sessions.find(&token, at(1)).await.unwrap().is_none());
}
