-- Identity: sign-ins under way, what the provider said that counts once, the people who were seen, tokens of the API.

-- A sign-in that waits for the identity provider's answer, by the digest of a cookie of the browser that began it. It is
-- taken once, by whichever replica the browser comes back to.
CREATE TABLE sign_ins (
    digest TEXT NOT NULL PRIMARY KEY,
    contents TEXT NOT NULL,
    began BIGINT NOT NULL
);
CREATE INDEX sign_ins_by_age ON sign_ins (began);

-- Logout tokens that were taken, until their age alone would have them refused.
CREATE TABLE taken_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    expires BIGINT NOT NULL
);

-- Who has signed in, with what the provider said of them last: a token of the API is worth no more than that.
CREATE TABLE people (
    username TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    contents TEXT NOT NULL,
    seen BIGINT NOT NULL
);
CREATE INDEX people_by_subject ON people (subject);

-- Tokens of the API, by digest; the token itself is shown once. `used` and `revoked` are 0 where it was not.
CREATE TABLE api_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL,
    username TEXT NOT NULL,
    title TEXT NOT NULL,
    scope TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);
CREATE UNIQUE INDEX api_tokens_by_digest ON api_tokens (digest);
CREATE INDEX api_tokens_by_username ON api_tokens (username, created);
