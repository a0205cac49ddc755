#pragma once

/// The grants of docs/database.md; $role is who gets them.
namespace grants {

inline constexpr const char* publisher = "grant usage on schema queue to $role;"
                                         "grant insert on queue.message to $role";

/// One that can't set `sender`.
inline constexpr const char* nameless_publisher =
    "grant usage on schema queue to $role;"
    "grant insert (id, channel, data) on queue.message to $role";

inline constexpr const char* daemon =
    "grant usage on schema queue to $role;"
    "grant select, insert on queue.message to $role;"
    "grant usage on sequence queue.message_seq to $role;"
    "grant select on queue.log, queue.timeline, queue.trimmed, queue.consumer_lag to $role;"
    "grant select, insert, update, delete on queue.consumer to $role;"
    "grant execute on function queue.settle_first(), queue.current_epoch(), queue.head(),"
    " queue.publish_as(text, text, uuid[], text[], json[], text[]) to $role";

/// For a role the daemon publishes as; it needs the daemon as a member too.
inline constexpr const char* acted_as =
    "grant usage on schema queue to $role;"
    "grant insert (id, channel, data, sender) on queue.message to $role";

inline constexpr const char* retention =
    "grant execute on function queue.remove_old(interval, interval, bigint, int) to $role";

} // namespace grants
