#pragma once

#include "base/observation.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace telemetry {

/// Counts observations and renders them, with the shards' own counts, as Prometheus text.
/// Owner: main. Thread: any. Lifetime: the program's.
class metrics final : public base::observer {
public:
    explicit metrics(std::string_view version);
    ~metrics();
    metrics(const metrics&) = delete;
    metrics& operator=(const metrics&) = delete;

    void observe(const base::observation& what) override;

    /// Prometheus text format 0.0.4. The shards' counts are summed.
    std::string render(std::span<const base::shard_counts> shards, const base::tail_state& tail,
                       std::uint64_t log_lines_dropped = 0) const;

    /// Every metric's name, type and meaning; docs/metrics.md is held to it by a test.
    struct description {
        std::string name;
        std::string type;
        std::string help;
    };
    std::vector<description> descriptions() const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace telemetry
