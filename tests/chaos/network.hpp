#pragma once

namespace chaos {

/// Whether packets can be dropped here (in a private network only).
bool can_cut();

/// From now on every packet from and to this TCP port is dropped, without a word to either end.
bool cut(int port);
void mend(int port);

/// Keeps the kernel from giving `port` to an outgoing connection while its server is away. Only for
/// a private network.
void keep_free(int port);

} // namespace chaos
