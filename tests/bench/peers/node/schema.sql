-- The article's table and trigger, in a database of their own: the whole row is the notification.
begin;

do $$
begin
  if to_regclass('queue.log') is not null then
    raise exception 'this database is pgherald''s';
  end if;
end
$$;

create schema if not exists queue;
set local search_path = queue, public;

do $$
declare
  new_id text := 'gen_random_uuid()';
begin
  if exists (select from pg_available_extensions where name = 'uuid-ossp') then
    create extension if not exists "uuid-ossp";
    new_id := 'uuid_generate_v4()';
  end if;
  execute format('create table if not exists queue.message (
    id uuid primary key default %s,
    channel text not null,
    data json not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )', new_id);
end
$$;

create or replace function queue.new_message_notify() returns trigger language plpgsql as $$
begin
  perform pg_notify(new.channel, row_to_json(new)::text);
  return new;
end
$$;

drop trigger if exists new_insert_trigger on queue.message;
create trigger new_insert_trigger before insert on queue.message
  for each row execute function queue.new_message_notify();

commit;
