-- Files that were handed in with a request. The request names each by its digest; nobody sees one that it does not name.

-- `request` is the request's uid; `contents` is base64, since both engines share no type for bytes.
CREATE TABLE attachments (
    id TEXT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    contents TEXT NOT NULL,
    author TEXT NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX attachments_of_request ON attachments (request, digest);
