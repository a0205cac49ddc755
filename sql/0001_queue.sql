-- The message log of pgherald: tables, numbering in commit order, doorbell, LISTEN contract.
--
-- Runs with `psql -f` and as one multi-statement string from the daemon, on Postgres 13 and later. It
-- may be run again at any time: it adds what is missing and keeps every row, grant and disabled trigger.
-- A queue.message made by hand (id, channel, data, created_at, updated_at, with a trigger that notifies)
-- is upgraded in place. docs/database.md explains the whole.

begin isolation level read committed;

-- One migration at a time; the key is 'pgherald' as eight bytes. Advisory, because on the first run there is
-- no table to lock yet.
select pg_catalog.pg_advisory_xact_lock(8099557239769099364);

set local search_path = pg_catalog, pg_temp;
set local client_min_messages = warning;

do $$
declare
    newest constant int := 3;
    found int;
begin
    if to_regclass('queue.log') is null then
        return;
    end if;
    execute 'select schema_version from queue.log' into found;
    if found > newest then
        raise exception 'the queue schema in this database has version %, these files know only up to %',
                found, newest
            using hint = 'Run a pgherald at least as new as the one that migrated this database.';
    end if;
end
$$;

create schema if not exists queue;

-- Sequences are the one thing in Postgres that is written outside of transactions, and that is what
-- numbering needs: message_seq gives numbers; settled_seq remembers the highest one given for good;
-- timeline_seq remembers the timeline whose beginning is known to be recorded.
create sequence if not exists queue.message_seq cache 1;
create sequence if not exists queue.settled_seq minvalue 0 start 0 cache 1;
create sequence if not exists queue.timeline_seq minvalue 0 start 0 cache 1;

-- Upgrades a table that was there before pgherald. Everything below it is the same for both.
do $$
declare
    wanted record;
    type_now regtype;
    problems text[] := '{}';
    old_trigger record;
    paused record;
    rows_numbered bigint;
begin
    if to_regclass('queue.message') is null or to_regclass('queue.log') is not null then
        return;
    end if;
    if (select relkind <> 'r' or relispartition from pg_class where oid = 'queue.message'::regclass) then
        raise exception 'queue.message exists and is not an ordinary table';
    end if;
    lock table queue.message in access exclusive mode;

    for wanted in
        select * from (values ('id', '{uuid}'::regtype[]), ('channel', '{text,varchar}'),
                              ('data', '{json,jsonb}'), ('created_at', '{timestamptz}'),
                              ('updated_at', '{timestamptz}')) as w (name, types)
    loop
        select atttypid into type_now from pg_attribute
        where attrelid = 'queue.message'::regclass and attname = wanted.name and not attisdropped;
        if type_now is null then
            problems := problems || format('column %s is missing', wanted.name);
        elsif type_now <> all (wanted.types) then
            problems := problems || format('column %s is %s, not %s', wanted.name, type_now, wanted.types[1]);
        end if;
    end loop;
    if exists (select from pg_attribute
               where attrelid = 'queue.message'::regclass and attname = 'seq' and not attisdropped) then
        problems := problems || 'it has a column seq already, but there is no queue.log'::text;
    end if;
    if not exists (select from pg_index i
                   join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
                   where i.indrelid = 'queue.message'::regclass and i.indisunique and i.indimmediate
                     and i.indpred is null and i.indnkeyatts = 1 and a.attname = 'id') then
        problems := problems || 'id is neither its primary key nor unique'::text;
    end if;
    -- Only now, since the column may be missing. Readers can't tell a row without id from a removal.
    if problems = '{}' then
        if exists (select from queue.message where id is null) then
            problems := problems || 'it has rows whose id is null'::text;
        end if;
    end if;
    if problems <> '{}' then
        raise exception 'queue.message exists and can not be upgraded: %', array_to_string(problems, '; ')
            using hint = 'Change or rename that table, then run this file again. Nothing has been changed.';
    end if;

    -- Its notifying trigger goes: it fails every INSERT whose row exceeds 8 kB of JSON, and it would
    -- notify each channel twice. Its function stays only if something else uses it.
    for old_trigger in
        select tgname, tgfoid::regprocedure as function from pg_trigger
        where tgrelid = 'queue.message'::regclass and not tgisinternal
          and (tgname = 'new_insert_trigger' or tgfoid = to_regprocedure('queue.new_message_notify()'))
    loop
        execute format('drop trigger %I on queue.message', old_trigger.tgname);
        begin
            execute format('drop function %s', old_trigger.function);
        exception when dependent_objects_still_exist then
            null;
        end;
    end loop;

    alter table queue.message alter column id set default gen_random_uuid();
    begin
        alter table queue.message alter column channel type text collate "C";
    exception when feature_not_supported then
        -- A view uses the column. Any text will do, if slower.
        if (select atttypid <> 'text'::regtype from pg_attribute
            where attrelid = 'queue.message'::regclass and attname = 'channel') then
            raise;
        end if;
    end;
    if (select atttypid <> 'json'::regtype from pg_attribute
        where attrelid = 'queue.message'::regclass and attname = 'data') then
        alter table queue.message alter column data drop default,
                                  alter column data type json using data::json;
    end if;
    alter table queue.message add column seq bigint;

    -- Numbering touches every row; triggers of the owner (say, one that keeps updated_at) must not see it.
    create temporary table paused_trigger on commit drop as
        select tgname, tgenabled from pg_trigger
        where tgrelid = 'queue.message'::regclass and not tgisinternal and tgenabled <> 'D';
    for paused in select * from pg_temp.paused_trigger loop
        execute format('alter table queue.message disable trigger %I', paused.tgname);
    end loop;

    -- A row without a channel was never delivered to anyone and never will be: '' is no channel.
    update queue.message m
    set seq = n.seq,
        channel = coalesce(m.channel, ''),
        created_at = n.created_at,
        updated_at = coalesce(m.updated_at, n.created_at)
    from (select id, created_at, row_number() over (order by created_at, id) as seq
          from (select id, coalesce(created_at, updated_at, now()) as created_at from queue.message) dated) n
    where m.id = n.id;
    get diagnostics rows_numbered = row_count;

    for paused in select * from pg_temp.paused_trigger loop
        execute format('alter table queue.message enable %s trigger %I',
                       case paused.tgenabled when 'R' then 'replica' when 'A' then 'always' else '' end,
                       paused.tgname);
    end loop;

    alter table queue.message
        alter column id set not null,
        alter column channel set not null,
        alter column created_at set not null, alter column created_at set default now(),
        alter column updated_at set not null, alter column updated_at set default now(),
        alter column seq set not null;
    alter table queue.message add constraint message_seq_key unique (seq);
    -- Not valid: rows that break the rule are kept, new ones are refused.
    alter table queue.message add constraint message_channel_check
        check (octet_length(channel) between 1 and 255 and channel !~ '[\u0001-\u001f\u007f]') not valid;

    if rows_numbered > 0 then
        perform setval('queue.message_seq', rows_numbered);
    end if;
    perform setval('queue.settled_seq', rows_numbered);
end
$$;

-- Collation "C": comparing by the database's language would cost the index on channel a tenth of an INSERT.
create table if not exists queue.message (
    id uuid primary key default gen_random_uuid(),
    channel text collate "C" not null,
    data json,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    seq bigint not null,
    constraint message_seq_key unique (seq),
    constraint message_channel_check
        check (octet_length(channel) between 1 and 255 and channel !~ '[\u0001-\u001f\u007f]')
);
create index if not exists message_channel_seq_idx on queue.message (channel, seq);

-- What the log is. system_identifier and database tell a restored or copied database from the one it was
-- taken from; emptied_at is the number settled when the table was last truncated.
create table if not exists queue.log (
    only_row boolean primary key default true check (only_row),
    epoch uuid not null default gen_random_uuid(),
    schema_version int not null,
    emptied_at bigint not null default 0,
    system_identifier bigint not null,
    database oid not null
);

-- The number settled when each timeline of the server began. recorded_by lets a later transaction know
-- that the row it sees was committed by another one.
create table if not exists queue.timeline (
    timeline bigint primary key,
    began_at bigint not null,
    recorded_by xid8 not null default pg_current_xact_id()
);

create table if not exists queue.consumer (
    channel text,
    name text,
    acked_seq bigint not null,
    updated_at timestamptz not null default now(),
    primary key (channel, name)
);

create table if not exists queue.trimmed (
    channel text primary key,
    seq bigint not null
);
create index if not exists trimmed_seq_idx on queue.trimmed (seq);

-- Holds no rows: it exists to be locked. An advisory lock would do the same, but any role could take it
-- and stop all publishing. SHARE UPDATE EXCLUSIVE is the weakest mode that excludes itself: pg_dump and
-- readers never meet it, and unlike stronger ones it costs no search through other backends' locks.
create table if not exists queue.settling ();

-- Holds no rows either. Who removes old messages locks it, so that one does at a time.
create table if not exists queue.retaining ();

create or replace view queue.consumer_lag as
    select c.channel, c.name, c.acked_seq,
           greatest((select max(m.seq) from queue.message m where m.channel = c.channel),
                    (select t.seq from queue.trimmed t where t.channel = c.channel), 0) as head,
           (select count(*) from queue.message m where m.channel = c.channel and m.seq > c.acked_seq) as lag,
           c.updated_at
    from queue.consumer c;

-- Opts the session into settling first: its INSERTs lock before they draw numbers, and settle once per
-- statement. The right to EXECUTE this function is what makes a session trusted; the setting alone, which
-- anyone can set, does nothing. Meant for transactions of one INSERT: the lock stays to their end.
create or replace function queue.settle_first() returns void
    language sql volatile
    as $$ select pg_catalog.set_config('pgherald.settle_first', 'on', false) $$;

create or replace function queue.current_timeline() returns bigint
    language plpgsql volatile set search_path = pg_catalog, pg_temp
    as $$
begin
    return ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint;
end
$$;

-- Notes once where the present timeline began. The caller holds the lock. The sequence that makes the next
-- check cheap survives a rollback and the row does not, so it is written only by a later transaction
-- that finds the row committed.
create or replace function queue.record_timeline(present bigint) returns void
    language plpgsql volatile set search_path = pg_catalog, pg_temp
    as $$
declare
    recorder xid8;
begin
    select recorded_by into recorder from queue.timeline where timeline = present;
    if not found then
        insert into queue.timeline (timeline, began_at)
        values (present, pg_sequence_last_value('queue.settled_seq'))
        on conflict do nothing;
    elsif recorder <> pg_current_xact_id() then
        perform setval('queue.timeline_seq', present);
    end if;
end
$$;

-- Gives every row its number, whatever it asked for: whoever may INSERT can neither choose a number nor
-- needs a right on the sequence. No pinned search_path, which would cost a tenth of a bulk INSERT: the
-- one name in it is qualified, and there is no operator to hijack.
create or replace function queue.draw_seq() returns trigger
    language plpgsql security definer
    as $$
begin
    new.seq := pg_catalog.nextval('queue.message_seq');
    return new;
end
$$;

-- Runs at COMMIT, once for each row. Whoever holds the lock has committed before the next one gets it, so
-- numbers above settled_seq are given in the order of commits; one drawn too early is replaced. If the
-- row is gone by now the UPDATE finds nothing and the number is a hole, but the lock is taken all the
-- same: forget_deleted() counts on it.
create or replace function queue.settle_row() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off
    as $$
declare
    number bigint := new.seq;
    settled bigint;
    present bigint;
begin
    lock table queue.settling in share update exclusive mode;
    -- Written out rather than calling current_timeline(): this runs for every row.
    present := ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint;
    if present <> pg_sequence_last_value('queue.timeline_seq') then
        perform queue.record_timeline(present);
    end if;
    settled := pg_sequence_last_value('queue.settled_seq');
    if number <= settled then
        number := nextval('queue.message_seq');
        if number <= settled then
            -- Only after a restore that brought the two sequences back from different moments.
            perform setval('queue.message_seq', settled);
            number := nextval('queue.message_seq');
        end if;
        update queue.message set seq = number where seq = new.seq;
    end if;
    perform setval('queue.settled_seq', number);
    perform pg_notify('queue_message', '');
    return null;
end
$$;

create or replace function queue.settle_begin() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
declare
    settled bigint;
begin
    lock table queue.settling in share update exclusive mode;
    settled := pg_sequence_last_value('queue.settled_seq');
    -- As in settle_row: only after a restore.
    if coalesce(pg_sequence_last_value('queue.message_seq'), 0) < settled then
        perform setval('queue.message_seq', settled);
    end if;
    return null;
end
$$;

create or replace function queue.settle_statement() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
declare
    lowest bigint;
    highest bigint;
    present bigint;
begin
    select min(seq), max(seq) into lowest, highest from inserted;
    if lowest is null then
        return null;
    end if;
    lock table queue.settling in share update exclusive mode;
    if lowest <= pg_sequence_last_value('queue.settled_seq')
       or highest > pg_sequence_last_value('queue.message_seq') then
        raise exception 'a session that settles first must draw each seq from queue.message_seq in the INSERT';
    end if;
    present := queue.current_timeline();
    if present <> pg_sequence_last_value('queue.timeline_seq') then
        perform queue.record_timeline(present);
    end if;
    perform setval('queue.settled_seq', highest);
    perform pg_notify('queue_message', '');
    return null;
end
$$;

create or replace function queue.refuse_new_seq() returns trigger
    language plpgsql
    as $$
begin
    raise exception 'seq of queue.message is given by the queue and can not be updated';
end
$$;

-- For LISTEN on a row's own channel: what row_to_json would make of the row without its seq, which isn't final
-- yet, but put together by hand and for a whole statement at once, which is three times as fast. Never fails the INSERT: a
-- name LISTEN can't say is skipped, and a row that does not fit a notification is announced by its id. Data
-- that can't fit is not even formatted, because formatting a row near 1 GB would fail. Runs as whoever
-- inserts. OFFSET 0 keeps Postgres from making the payload twice.
create or replace function queue.notify_channel() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as $$
declare
    today constant timestamptz := now();
    today_json constant text := to_json(today);
begin
    perform count(*) from (
        select pg_notify(channel, case when octet_length(whole) <= 7999 then whole
                                       else concat('{"id":"', id, '","channel":', to_json(channel), '}') end)
        from (select id, channel,
                     case when coalesce(pg_column_size(data), 0) <= 8100 then
                         concat('{"id":"', id, '","channel":', to_json(channel),
                                ',"data":', coalesce(data, 'null'),
                                ',"created_at":',
                                case when created_at = today then today_json else to_json(created_at)::text end,
                                ',"updated_at":',
                                case when updated_at = today then today_json else to_json(updated_at)::text end,
                                '}')
                     end as whole
              from inserted where octet_length(channel) <= 63 offset 0) payload
        offset 0) notified;
    return null;
end
$$;

-- Remembers per channel the highest seq removed. A row this transaction inserted itself was never seen by
-- anyone and is left out while its number is above settled_seq; if others have settled past it meanwhile
-- it is recorded, which is safe because its settle_row still waits for the lock before this commits.
create or replace function queue.forget_deleted() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
declare
    settled bigint := pg_sequence_last_value('queue.settled_seq');
begin
    insert into queue.trimmed as t (channel, seq)
    select channel, max(seq) from deleted where seq <= settled group by channel order by channel
    on conflict (channel) do update set seq = excluded.seq where t.seq < excluded.seq;
    return null;
end
$$;

-- One step of retention: looks at the `most` rows that follow `after`, and removes those created before
-- now() - older_than, but for those above the acked_seq of a consumer of their channel that was seen within
-- consumer_grace. looked_upto is null at the end of the table. busy: someone else removes or holds what is
-- needed, and nothing was done. No publisher ever waits for it: it takes no lock on queue.settling, and a
-- row that someone has locked it leaves for the next time. What it may wait for is a DELETE of others in
-- the same channel (queue.trimmed), for a second.
--
-- The planner doesn't know `after` and `most`. An upper bound that bounds nothing tells it that few rows
-- qualify; without it, it would read and sort all that follow `after`. Removal by ctid leaves it no choice.
create or replace function queue.remove_old(
        older_than interval, consumer_grace interval, after bigint, most int,
        out busy boolean, out looked_upto bigint, out removed bigint, out found_old boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp set lock_timeout = '1s' set jit = off set row_security = off
    as $$
declare
    horizon timestamptz := now() - older_than;
    seen_since timestamptz := now() - consumer_grace;
    looked_at bigint;
    last bigint;
begin
    busy := false;
    removed := 0;
    lock table queue.retaining in share update exclusive mode nowait;
    -- A time to come says nothing of the rows behind it, be it a publisher's mistake or malice.
    select count(*), max(page.seq),
           coalesce(bool_or(page.created_at < horizon or page.created_at > now()), false)
    into looked_at, last, found_old
    from (select m.seq, m.created_at from queue.message m
          where m.seq > after and m.seq <= 9223372036854775807
          order by m.seq limit most) page;
    if looked_at >= most then
        looked_upto := last;
    end if;
    if found_old then
        with needed as (
            select c.channel, min(c.acked_seq) as from_seq from queue.consumer c
            where c.updated_at >= seen_since group by c.channel
        )
        delete from queue.message gone where gone.ctid = any (array(
            select m.ctid from queue.message m left join needed n on n.channel = m.channel
            where m.seq > after and m.seq <= last and m.created_at < horizon
              and (n.from_seq is null or m.seq <= n.from_seq)
            for update of m skip locked));
        get diagnostics removed = row_count;
    end if;
exception when lock_not_available then
    busy := true;
    looked_upto := null;
    removed := 0;
    found_old := false;
end
$$;
revoke all on function queue.remove_old(interval, interval, bigint, int) from public;

-- After this, numbers learned before it say nothing. Numbering itself goes on upward, from the rows if
-- they came by a way that left the sequences behind, like a restore.
create or replace function queue.new_epoch() returns uuid
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set row_security = off
    as $$
declare
    fresh uuid;
    top bigint;
begin
    lock table queue.settling in share update exclusive mode;
    top := greatest(pg_sequence_last_value('queue.settled_seq'),
                    (select max(seq) from queue.message), (select max(seq) from queue.trimmed));
    perform setval('queue.settled_seq', top);
    if coalesce(pg_sequence_last_value('queue.message_seq'), 0) < top then
        perform setval('queue.message_seq', top);
    end if;
    update queue.log set epoch = gen_random_uuid() returning epoch into fresh;
    perform pg_notify('queue_message', '');
    return fresh;
end
$$;

-- TRUNCATE has the table to itself, so all that is settled is decided and can serve as the head.
create or replace function queue.forget_truncated() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
begin
    update queue.log set emptied_at = pg_sequence_last_value('queue.settled_seq'), epoch = gen_random_uuid();
    perform pg_notify('queue_message', '');
    return null;
end
$$;

-- Whether a visible row was written by the running transaction. A row older than `running`, its id, can't
-- be; of the others only its own are visible while still in progress. xmin of a very old row may look
-- like an id not given yet, which pg_xact_status refuses.
create or replace function queue.is_own(row_xmin xid, running xid8) returns boolean
    language plpgsql stable set search_path = pg_catalog, pg_temp
    as $$
declare
    first bigint := running::text::bigint;
    distance bigint := (row_xmin::text::bigint - first) & 4294967295;
begin
    if distance >= 2147483648 then
        return false;
    end if;
    return coalesce(pg_xact_status((first + distance)::text::xid8) = 'in progress', false);
exception when others then
    return false;
end
$$;

-- The greatest committed seq this snapshot sees. Rows the running transaction wrote itself do not count:
-- their numbers aren't settled, and someone who commits first may still get a lower one.
create or replace function queue.head() returns bigint
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp set row_security = off
    as $$
declare
    running xid8 := pg_current_xact_id_if_assigned();
begin
    if running is null then
        return greatest((select max(seq) from queue.message), (select max(seq) from queue.trimmed),
                        (select emptied_at from queue.log));
    end if;
    return greatest(
        (select m.seq from queue.message m where not queue.is_own(m.xmin, running)
         order by m.seq desc limit 1),
        (select t.seq from queue.trimmed t where not queue.is_own(t.xmin, running)
         order by t.seq desc limit 1),
        (select emptied_at from queue.log));
end
$$;

-- '<uuid>.<timeline>', opaque to clients. Called whenever the daemon has connected: it records a timeline
-- that nobody has published on yet, and gives a database that was restored or copied elsewhere an epoch
-- of its own, because from there on two logs hand out the same numbers.
create or replace function queue.current_epoch() returns text
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set row_security = off
    as $$
declare
    present bigint := queue.current_timeline();
    here_system bigint := (select system_identifier from pg_control_system());
    here_database oid := (select oid from pg_database where datname = current_database());
begin
    if exists (select from queue.log l
               where l.system_identifier <> here_system or l.database <> here_database) then
        lock table queue.settling in share update exclusive mode;
        update queue.log l set system_identifier = here_system, database = here_database
        where l.system_identifier <> here_system or l.database <> here_database;
        if found then
            delete from queue.timeline;
            perform setval('queue.timeline_seq', 0);
            perform queue.new_epoch();
        end if;
    end if;
    if present <> pg_sequence_last_value('queue.timeline_seq') then
        lock table queue.settling in share update exclusive mode;
        perform queue.record_timeline(present);
    end if;
    return (select epoch from queue.log) || '.' || present;
end
$$;

-- Triggers that exist are left alone, so one that was disabled stays disabled. notify_channel was once a row
-- trigger; that form is replaced, and disabled again.
do $$
declare
    trusted constant text := $when$
        coalesce(current_setting('pgherald.settle_first', true), '') = 'on'
        and has_function_privilege(session_user, 'queue.settle_first()'::regprocedure, 'execute')$when$;
    wanted record;
    enabled "char";
    new_table name;
begin
    for wanted in
        select * from (values
            ('settle_begin', format('create trigger settle_begin before insert on queue.message
                for each statement when (%s) execute function queue.settle_begin()', trusted)),
            ('draw_seq', format('create trigger draw_seq before insert on queue.message
                for each row when (new.seq is null or not (%s)) execute function queue.draw_seq()', trusted)),
            ('settle_row', format('create constraint trigger settle_row after insert on queue.message
                deferrable initially deferred
                for each row when (not (%s)) execute function queue.settle_row()', trusted)),
            ('settle_statement', format('create trigger settle_statement after insert on queue.message
                referencing new table as inserted
                for each statement when (%s) execute function queue.settle_statement()', trusted)),
            -- settle_row's own UPDATE comes from inside a trigger.
            ('refuse_new_seq', 'create trigger refuse_new_seq before update of seq on queue.message
                for each row when (new.seq is distinct from old.seq and pg_trigger_depth() = 0)
                execute function queue.refuse_new_seq()'),
            ('notify_channel', 'create trigger notify_channel after insert on queue.message
                referencing new table as inserted
                for each statement execute function queue.notify_channel()'),
            ('forget_deleted', 'create trigger forget_deleted after delete on queue.message
                referencing old table as deleted
                for each statement execute function queue.forget_deleted()'),
            ('forget_truncated', 'create trigger forget_truncated after truncate on queue.message
                for each statement execute function queue.forget_truncated()')) as w (name, ddl)
    loop
        select tgenabled, tgnewtable into enabled, new_table from pg_trigger
        where tgrelid = 'queue.message'::regclass and tgname = wanted.name;
        if found then
            continue when wanted.name <> 'notify_channel' or new_table is not null;
            drop trigger notify_channel on queue.message;
        end if;
        execute wanted.ddl;
        if enabled <> 'O' then
            execute format('alter table queue.message %s trigger %I',
                           case enabled when 'D' then 'disable' when 'R' then 'enable replica'
                                        else 'enable always' end, wanted.name);
        end if;
    end loop;
end
$$;

-- Once, so that what an operator grants or revokes later is kept.
do $$
declare
    present bigint := queue.current_timeline();
begin
    if exists (select from queue.log) then
        return;
    end if;
    -- Also the trigger functions: whoever may execute one may hang it on a table of his own and feed it
    -- numbers. By name, because a schema that was there before may hold functions of others.
    revoke all on function
        queue.settle_first(), queue.current_timeline(), queue.record_timeline(bigint), queue.draw_seq(),
        queue.settle_row(), queue.settle_begin(), queue.settle_statement(), queue.refuse_new_seq(),
        queue.notify_channel(), queue.forget_deleted(), queue.new_epoch(), queue.forget_truncated(),
        queue.is_own(xid, xid8), queue.head(), queue.current_epoch()
    from public;

    perform setval('queue.settled_seq', coalesce(pg_sequence_last_value('queue.settled_seq'), 0));
    perform setval('queue.timeline_seq', present);
    insert into queue.timeline (timeline, began_at)
    values (present, pg_sequence_last_value('queue.settled_seq'));
    insert into queue.log (schema_version, system_identifier, database)
    select 1, c.system_identifier, (select oid from pg_database where datname = current_database())
    from pg_control_system() c;
end
$$;

commit;
