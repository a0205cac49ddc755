-- What 0001_queue.sql and 0002_sender.sql left to be mended, for databases they have run in already.
--
-- Runs after them and like them: with `psql -f` or as one string, and again at any time. No row is
-- rewritten. docs/database.md explains the whole.

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
    if to_regclass('queue.log') is not null then
        execute 'select schema_version from queue.log' into found;
    end if;
    if found is null or found < 2 then
        raise exception 'the queue schema is not in this database, or older than version 2'
            using hint = 'Run 0001_queue.sql and 0002_sender.sql first.';
    end if;
    if found > newest then
        raise exception 'the queue schema in this database has version %, these files know only up to %',
                found, newest
            using hint = 'Run a pgherald at least as new as the one that migrated this database.';
    end if;
end
$$;

-- All that needs the tables for itself, in one go.
do $$
declare
    last_attempt constant int := 10;
    -- Only the outermost statement settles first. One that a trigger runs would settle its rows while those of
    -- the statement around it have lower numbers and are not settled yet: its rows wait for COMMIT.
    trusted constant text := $when$
        pg_trigger_depth() = 0
        and coalesce(current_setting('pgherald.settle_first', true), '') = 'on'
        and has_function_privilege(session_user, 'queue.settle_first()'::regprocedure, 'execute')$when$;
    wanted record;
    enabled "char";
    without_id bigint;
begin
    if (select attnotnull from pg_attribute where attrelid = 'queue.message'::regclass and attname = 'id')
       and exists (select from pg_attribute where attrelid = 'queue.log'::regclass
                   and attname = 'log_table' and not attisdropped)
       and exists (select from pg_constraint
                   where conrelid = 'queue.message'::regclass and conname = 'message_channel_check'
                     and pg_get_constraintdef(oid) ~ 'u009f')
       and not exists (select from pg_trigger
                       where tgrelid = 'queue.message'::regclass
                         and tgname in ('settle_begin', 'draw_seq', 'settle_row', 'settle_statement')
                         and pg_get_triggerdef(oid) !~ 'pg_trigger_depth') then
        return;
    end if;

    -- As in 0002_sender.sql: while it waits, everybody else would wait behind it. Others take the two in either
    -- order, so both waits together end before Postgres looks for deadlocks (deadlock_timeout, a second).
    for attempt in 1..last_attempt loop
        begin
            set local lock_timeout = '400ms';
            lock table queue.log in access exclusive mode;
            lock table queue.message in access exclusive mode;
            exit;
        exception when lock_not_available then
            if attempt = last_attempt then
                raise exception using errcode = 'lock_not_available',
                    message = 'someone uses queue.message all the time, and its triggers must be changed',
                    hint = 'Run this again when no long transaction (a pg_dump, say) reads the table.';
            end if;
            perform pg_sleep(1);
        end;
    end loop;
    set local lock_timeout to default;

    -- The table was once upgraded with an id that is unique but may be null. Readers take a row without one for
    -- a removal.
    select count(*) into without_id from queue.message where id is null;
    if without_id > 0 then
        raise exception 'rows of queue.message that have no id: %', without_id
            using hint = 'Give them one (update queue.message set id = gen_random_uuid() where id is null), or '
                         'delete them, then run this file again. Nothing has been changed.';
    end if;
    alter table queue.message alter column id set not null;

    -- The oid of queue.log itself, as current_epoch() has last seen it. A dump carries it into tables that have
    -- others.
    alter table queue.log add column if not exists log_table oid;
    update queue.log set log_table = tableoid where log_table is null;

    -- Without U+0080 to U+009F, which no client can ask for. Not valid: rows that break the rule are kept.
    alter table queue.message drop constraint if exists message_channel_check;
    alter table queue.message add constraint message_channel_check
        check (octet_length(channel) between 1 and 255 and channel !~ '[\u0001-\u001f\u007f-\u009f]') not valid;

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
                for each statement when (%s) execute function queue.settle_statement()', trusted)))
            as w (name, ddl)
    loop
        select tgenabled into enabled from pg_trigger
        where tgrelid = 'queue.message'::regclass and tgname = wanted.name;
        execute format('drop trigger if exists %I on queue.message', wanted.name);
        execute wanted.ddl;
        -- One that was disabled stays disabled.
        if enabled <> 'O' then
            execute format('alter table queue.message %s trigger %I',
                           case enabled when 'D' then 'disable' when 'R' then 'enable replica'
                                        else 'enable always' end, wanted.name);
        end if;
    end loop;
end
$$;

-- As it was, but what it notes is the head. settled_seq reaches the WAL before the COMMIT it is for: after a failover
-- it may be above what the new primary has, and a reader of the lost messages would be taken for one who knows
-- the log. Only the first transaction on a timeline asks for the head, whatever it has inserted itself.
create or replace function queue.record_timeline(present bigint) returns void
    language plpgsql volatile set search_path = pg_catalog, pg_temp
    as $$
declare
    recorder xid8;
begin
    select recorded_by into recorder from queue.timeline where timeline = present;
    if not found then
        insert into queue.timeline (timeline, began_at) values (present, queue.head())
        on conflict do nothing;
    elsif recorder <> pg_current_xact_id() then
        perform setval('queue.timeline_seq', present);
    end if;
end
$$;

-- As it was, and finds a dump that was restored over the database it came from: the same server and database,
-- but sequences and rows of an earlier time, so numbers are handed out again.
create or replace function queue.current_epoch() returns text
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set row_security = off
    as $$
declare
    present bigint := queue.current_timeline();
    here_system bigint := (select system_identifier from pg_control_system());
    here_database oid := (select oid from pg_database where datname = current_database());
begin
    if exists (select from queue.log l
               where l.system_identifier <> here_system or l.database <> here_database
                  or l.log_table is distinct from l.tableoid) then
        lock table queue.settling in share update exclusive mode;
        update queue.log l
        set system_identifier = here_system, database = here_database, log_table = l.tableoid
        where l.system_identifier <> here_system or l.database <> here_database
           or l.log_table is distinct from l.tableoid;
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

update queue.log set schema_version = 3 where schema_version < 3;

commit;
