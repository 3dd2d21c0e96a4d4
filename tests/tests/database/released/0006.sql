-- What a database of step 6 holds: two rows of the ledger, a session, a draft, a token, a file. Written by hand, never edited.
INSERT INTO audit (seq, at, happened, actor, actor_groups, via, verb, kind, namespace, name, uid, resource_version, before_state, after_state, request_id, outcome, entry_key, algorithm, prev, hash) VALUES (1, 1700000000000001, 1700000000000000, 'cs-approver', '', 'kubectl', 'create', 'TenantQuota', 'qp-shuiwu', 'pei', 'u-7', '41', '', '{"spec":{}}', 'r-1', 'ok', 'u-7/41', 'sha256', '0000000000000000000000000000000000000000000000000000000000000000', 'a05f8d7f4a6e2134bf2c6ec0217405f1f4403fd6cd64d14ccde45cc3e3008984');
INSERT INTO audit (seq, at, happened, actor, actor_groups, via, verb, kind, namespace, name, uid, resource_version, before_state, after_state, request_id, outcome, entry_key, algorithm, prev, hash) VALUES (2, 1700000000000002, 1700000000000000, 'cs-approver', '', 'kubectl', 'update', 'TenantQuota', 'qp-shuiwu', 'pei', 'u-7', '42', '', '{"spec":{}}', 'r-2', 'ok', 'u-7/42', 'sm3', 'a05f8d7f4a6e2134bf2c6ec0217405f1f4403fd6cd64d14ccde45cc3e3008984', 'b9001ad0d04d748117eccdc6c2ffea10508e07d715a72df96c46e9237c413862');
UPDATE audit_head SET seq = 2, at = 1700000000000002, hash = 'b9001ad0d04d748117eccdc6c2ffea10508e07d715a72df96c46e9237c413862' WHERE id = 1;
INSERT INTO sessions (digest, username, provider_session, contents, began, used) VALUES ('d-1', 'cs-owner', 'sid-1', '{}', 1, 2);
INSERT INTO drafts (id, owner, purpose, title, contents, revision, created, changed) VALUES ('draft-1', 'cs-owner', 'ResourceRequest', '扩容', '{"cpu":"4"}', 3, 1, 2);
INSERT INTO positions (source, position, changed) VALUES ('watch/TenantQuota', '42', 2);
INSERT INTO observed (uid, kind, namespace, name, resource_version, state) VALUES ('u-7', 'TenantQuota', 'qp-shuiwu', 'pei', '42', '{}');
INSERT INTO history (series, grain, at, samples, total, low, high) VALUES ('grant/qp-shuiwu/pei/cpu/used', 300, 0, 2, 3.5, 1.5, 2.0);
INSERT INTO outbox (id, cause, channel, recipient, subject, body, state, attempts, due, created, changed, problem) VALUES ('m-1', 'email/r-7', 'email', 'a@example.gov.cn', '审批', '请处理', 'waiting', 0, 1, 1, 1, '');
INSERT INTO sign_ins (digest, contents, began) VALUES ('d-2', '{}', 1);
INSERT INTO taken_tokens (id, expires) VALUES ('jti-1', 3);
INSERT INTO people (username, subject, contents, seen) VALUES ('cs-owner', 'sub-1', '{"groups":["zhanjiang-rsj"]}', 2);
INSERT INTO api_tokens (id, digest, username, title, scope, created, expires, used, revoked) VALUES ('t-1', 'd-3', 'cs-owner', '对接', 'read', 1, 9, 0, 0);
INSERT INTO notices (id, cause, recipient, topic, figures, href, created) VALUES ('n-1', 'ResourceRequest/u-9/turn/0', 'User/cs-approver', 'turn', '{"title":"扩容"}', '/requests/shuiwu/kuorong', 1);
INSERT INTO notices_read (notice, person, at) VALUES ('n-1', 'cs-approver', 2);
INSERT INTO contacts (person, email, phone, changed) VALUES ('cs-approver', 'a@example.gov.cn', '', 1);
INSERT INTO bulletins (id, title, body, author, public, starts, ends, created, changed) VALUES ('b-1', '停机公告', '周六维护', 'gd-admin', 1, 1, 2, 1, 1);
INSERT INTO attachments (id, request, digest, media_type, size, contents, author, created) VALUES ('f-1', 'u-9', 'sha256:d2', 'application/pdf', 5, 'JVBERi0=', 'cs-owner', 1);
