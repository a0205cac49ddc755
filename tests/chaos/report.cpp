#include "tests/chaos/report.hpp"

#include <array>
#include <cstdio>
#include <span>
#include <string_view>

namespace chaos {

namespace {

/// One of the world's counters, under the name it is reported by.
struct counted {
    const char* name;
    counters::number counters::*number;
    const char* needed = nullptr; ///< what a run lacks where it stands at 0; null: nothing
    bool of_consumers = false;    ///< which a run may do without
};

constexpr std::array load{
    counted{"transactions of 12 SQL writers", &counters::transactions},
    counted{"  committed late", &counters::late_commits, "late commits"},
    counted{"  rolled back", &counters::rollbacks, "rollbacks"},
    counted{"  broken off by a fault", &counters::lost_transactions},
    counted{"  rows of 60 KB tried", &counters::large_rows, "large rows"},
    counted{"published by clients", &counters::publishes},
    counted{"  sent again by id", &counters::publishes_repeated, "publishes sent again"},
    counted{"  receipts that say duplicate", &counters::duplicates},
};

constexpr std::array to_consumers{
    counted{"  again, unacknowledged", &counters::to_consumers_again,
            "messages that came to a consumer again", true},
    counted{"  acknowledgements", &counters::acknowledged},
    counted{"  windows filled", &counters::windows_filled, "full windows", true},
};

constexpr std::array clients{
    counted{"reset their socket", &counters::aborted, "sockets reset"},
    counted{"closed their socket", &counters::closed, "sockets closed"},
    counted{"were closed by a daemon", &counters::sent_away, "sockets closed by a daemon"},
    counted{"lost their daemon", &counters::cut_off, "sockets lost with a daemon"},
    counted{"could not get in", &counters::not_let_in},
    counted{"came back on the other daemon", &counters::moved, "resumes on the other daemon"},
    counted{"left a channel and came back", &counters::unsubscribed},
    counted{"stopped reading for a while", &counters::slow, "slow clients"},
    counted{"began at the start", &counters::begun_at_start, "clients that begin at the start"},
    counted{"began far back", &counters::begun_far_back},
};

void line(const std::string& name, std::uint64_t count) {
    std::printf("  %-34s %12llu\n", name.c_str(), static_cast<unsigned long long>(count));
}

void lines(const counters& from, std::span<const counted> all) {
    for (const counted& each : all) {
        line(each.name, from.*each.number);
    }
}

template <class Each>
void each_offence(Each each) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(offence::count); ++i) {
        each(static_cast<offence>(i));
    }
}

} // namespace

void report(const world& world, const result& result) {
    std::printf("messages\n");
    line("rows in the table", result.rows);
    lines(world.count, load);
    std::printf("deliveries\n");
    line("to " + std::to_string(result.followers) + " followers", world.count.to_followers);
    line("to " + std::to_string(result.consumers) + " consumers", world.count.to_consumers);
    lines(world.count, to_consumers);
    std::printf("faults\n");
    for (std::size_t i = 0; i < fault_count; ++i) {
        const auto what = static_cast<fault>(i);
        if (result.faults.possible(what)) {
            line(std::string(name_of(what)), result.faults.happened(what));
        } else {
            std::printf("  %-34s %12s\n", std::string(name_of(what)).c_str(), "left out");
        }
    }
    if (!result.faults.possible(fault::cut_listen)) {
        std::printf("  (cutting LISTEN needs root, a network namespace and iptables)\n");
    }
    std::printf("clients\n");
    lines(world.count, clients);
    std::printf("  %-34s %10.1f s\n", "all had caught up after", result.caught_up_in);
    std::printf("promises\n");
    each_offence([&](offence what) { line(std::string(name_of(what)), world.found.count(what)); });
    each_offence([&](offence what) {
        for (const std::string& text : world.found.first(what)) {
            std::printf("%s: %s\n", std::string(name_of(what)).c_str(), text.c_str());
        }
    });
}

std::string missing(const world& world, const result& result) {
    std::string text;
    const auto need = [&](std::uint64_t number, std::string_view name) {
        if (number == 0) {
            text += (text.empty() ? "" : ", ") + std::string(name);
        }
    };
    for (std::size_t i = 0; i < fault_count; ++i) {
        const auto what = static_cast<fault>(i);
        need(result.faults.possible(what) ? result.faults.happened(what) : 1, name_of(what));
    }
    for (const std::span<const counted> group :
         {std::span<const counted>(load), std::span<const counted>(to_consumers),
          std::span<const counted>(clients)}) {
        for (const counted& each : group) {
            if (each.needed != nullptr && (!each.of_consumers || result.consumers > 0)) {
                need(world.count.*each.number, each.needed);
            }
        }
    }
    return text;
}

} // namespace chaos
