-- Who published a message, and publishing as another role, so that row level security on queue.message
-- can decide about a client's publish.
--
-- Runs after 0001_queue.sql and like it: with `psql -f` or as one string, and again at any time. No row
-- is rewritten. docs/database.md explains the whole.

begin isolation level read committed;

-- The same key as in 0001_queue.sql: one migration at a time.
select pg_catalog.pg_advisory_xact_lock(8099557239769099364);

set local search_path = pg_catalog, pg_temp;
set local client_min_messages = warning;

do $$
declare
    newest constant int := 3;
    found int;
begin
    if to_regclass('queue.log') is null then
        raise exception 'the queue schema is not in this database'
            using hint = 'Run 0001_queue.sql first.';
    end if;
    execute 'select schema_version from queue.log' into found;
    if found > newest then
        raise exception 'the queue schema in this database has version %, these files know only up to %',
                found, newest
            using hint = 'Run a pgherald at least as new as the one that migrated this database.';
    end if;
end
$$;

-- The name of who published a message, where that is known: the daemon puts the subject of the client's
-- token there. Whoever inserts by SQL may set it too, unless the grants leave the column out.
do $$
declare
    last_attempt constant int := 10;
    there record;
    was_there boolean;
begin
    select atttypid::regtype as type, attnotnull, attgenerated <> '' as generated into there
    from pg_attribute
    where attrelid = 'queue.message'::regclass and attname = 'sender' and not attisdropped;
    was_there := found;
    if was_there
       and (there.type <> all ('{text,varchar}'::regtype[]) or there.attnotnull or there.generated) then
        raise exception 'queue.message has a column sender of its own, which is not a nullable text'
            using hint = 'Rename that column, then run this file again. Nothing has been changed.';
    end if;
    if was_there and exists (select from pg_constraint where conrelid = 'queue.message'::regclass
                             and conname = 'message_sender_check') then
        return;
    end if;

    -- Takes a moment, but while it waits for whoever reads the table, say pg_dump, everybody else waits
    -- behind it. So it gives way again and again.
    for attempt in 1..last_attempt loop
        begin
            set local lock_timeout = '1s';
            lock table queue.message in access exclusive mode;
            exit;
        exception when lock_not_available then
            if attempt = last_attempt then
                raise exception using errcode = 'lock_not_available',
                    message = 'someone uses queue.message all the time, and a column must be added to it',
                    hint = 'Run this again when no long transaction (a pg_dump, say) reads the table.';
            end if;
            perform pg_sleep(1);
        end;
    end loop;
    set local lock_timeout to default;

    -- A column that was there is checked; of a new one there is nothing to check.
    alter table queue.message add column if not exists sender text;
    if not was_there then
        alter table queue.message add constraint message_sender_check
            check (octet_length(sender) between 1 and 255) not valid;
    else
        alter table queue.message add constraint message_sender_check
            check (octet_length(sender) between 1 and 255);
    end if;
end
$$;

-- These read queue.message as its owner. If row level security is forced on the owner as well, rows would
-- be hidden from them, and one that settles would keep a number that readers are past. So they fail.
alter function queue.settle_row() set row_security = off;
alter function queue.head() set row_security = off;
alter function queue.new_epoch() set row_security = off;
alter function queue.current_epoch() set row_security = off;
alter function queue.remove_old(interval, interval, bigint, int) set row_security = off;

-- Inserts messages as role_name, with claims (JSON) for its policies to see as request.jwt.claims, and says
-- what is stored under the id at each place of the arrays: its seq, whether it was stored just now, and
-- whether it is equal to what was sent. A place that is missing was dropped by a trigger, or met an id
-- that was deleted meanwhile. For the daemon, in transactions of this one statement.
--
-- SQLSTATE 0P000 says that this role can't publish anything, 42501 that it may not publish one of these.
--
-- Everything the INSERT runs, policies first, has the rights of role_name, but could take those of
-- session_user by changing role: it must be trusted. The pinned search_path holds for it as well.
create or replace function queue.publish_as(
        role_name text, claims text, ids uuid[], channels text[], data json[], senders text[],
        out place bigint, out seq bigint, out is_new boolean, out is_equal boolean)
    returns setof record
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    own_role constant text := current_setting('role');
begin
    if not has_function_privilege(session_user, 'queue.settle_first()', 'execute') then
        -- Its rows would settle at COMMIT, and the answer tell numbers that aren't final.
        raise exception using errcode = 'invalid_role_specification', message =
            format('"%s" may not settle first, so it can not publish as another role', session_user);
    elsif not exists (select from pg_roles r where r.rolname = role_name) then
        raise exception using errcode = 'invalid_role_specification', message =
            format('role "%s" does not exist', role_name);
    elsif not pg_has_role(session_user, role_name, 'member') then
        raise exception using errcode = 'invalid_role_specification', message =
            format('"%s" is not a member of role "%s"', session_user, role_name);
    elsif current_setting('server_version_num')::int >= 160000
          and not pg_has_role(session_user, role_name, 'set') then
        raise exception using errcode = 'invalid_role_specification', message =
            format('"%s" is a member of role "%s", but may not become it: grant it with set true',
                   session_user, role_name);
    elsif not (has_schema_privilege(role_name, 'queue', 'usage')
               and has_column_privilege(role_name, 'queue.message', 'id', 'insert')
               and has_column_privilege(role_name, 'queue.message', 'channel', 'insert')
               and has_column_privilege(role_name, 'queue.message', 'data', 'insert')
               and has_column_privilege(role_name, 'queue.message', 'sender', 'insert')) then
        raise exception using errcode = 'invalid_role_specification', message =
            format('role "%s" lacks USAGE on schema queue, or INSERT on queue.message (id, channel, '
                   'data, sender)', role_name);
    end if;

    -- Local: they end with the transaction, also when it fails.
    perform set_config('pgherald.settle_first', 'on', true),
            set_config('request.jwt.claims', publish_as.claims, true),
            set_config('role', role_name, true);
    -- No conflict target: naming one takes the right to read it.
    insert into queue.message (id, channel, data, sender)
    select item.id, item.channel, item.data, item.sender
    from unnest(ids, channels, publish_as.data, senders) with ordinality
         as item (id, channel, data, sender, place)
    order by item.place
    on conflict do nothing;
    -- A plan made while the table is small must serve a large one too.
    perform set_config('role', own_role, true),
            set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true);

    return query
        select item.place, m.seq, m.xmin = pg_current_xact_id()::xid,
               m.channel = item.channel
                   and coalesce(m.data::text, 'null') = item.data::text
                   and m.sender is not distinct from item.sender
        from unnest(ids, channels, publish_as.data, senders) with ordinality
             as item (id, channel, data, sender, place)
        join queue.message m on m.id = item.id
        order by item.place;
end
$$;
revoke all on function queue.publish_as(text, text, uuid[], text[], json[], text[]) from public;

-- Once, so that what an operator grants or revokes later is kept: who is a daemon by its grants remains one.
do $$
declare
    daemon record;
begin
    if (select schema_version >= 2 from queue.log) then
        return;
    end if;
    for daemon in
        select r.rolname, a.is_grantable
        from pg_proc p, aclexplode(p.proacl) a join pg_roles r on r.oid = a.grantee
        where p.oid = 'queue.settle_first()'::regprocedure and a.privilege_type = 'EXECUTE'
          and a.grantee <> p.proowner
    loop
        execute format('grant execute on function '
                       'queue.publish_as(text, text, uuid[], text[], json[], text[]) to %I%s',
                       daemon.rolname, case when daemon.is_grantable then ' with grant option' else '' end);
    end loop;
    update queue.log set schema_version = 2;
end
$$;

commit;
