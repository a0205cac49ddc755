-- What the daemon's role, pgherald, must be granted (docs/database.md says why). Run it as the owner, after
-- "create role pgherald login" and "pgherald migrate"; it may be run again at any time.
--
--   psql -v ON_ERROR_STOP=1 -f deploy/grants.sql 'host=db user=shop_owner dbname=shop'
grant usage on schema queue to pgherald;
grant select, insert on queue.message to pgherald;
grant usage on sequence queue.message_seq to pgherald;
grant select on queue.log, queue.timeline, queue.trimmed, queue.consumer_lag to pgherald;
grant select, insert, update, delete on queue.consumer to pgherald;
grant execute on function queue.settle_first(), queue.current_epoch(), queue.head() to pgherald;

-- Only with auth.role_claim:
-- grant execute on function queue.publish_as(text, text, uuid[], text[], json[], text[]) to pgherald;
-- Only with messages.retention. Who may call it can remove every message:
-- grant execute on function queue.remove_old(interval, interval, bigint, int) to pgherald;
