#pragma once

/// A batch as publishers insert it that choose the ids, and the seqs in the order they give.
constexpr const char* publish_sql =
    "insert into queue.message (id, channel, data, seq) "
    "select m.id, m.channel, m.data, nextval('queue.message_seq') "
    "from unnest($1::uuid[], $2::text[], $3::json[]) as m (id, channel, data) "
    "on conflict (id) do nothing returning id, seq";
