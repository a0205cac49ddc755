#pragma once

namespace chaos {

/// Moves this process, before it has threads, into a network of its own with nothing but a loopback
/// interface, so that its packets can be dropped without anybody else noticing. False: not allowed.
bool enter_private_network();

/// Whether packets can be dropped here.
bool can_cut();

/// From now on every packet from and to this TCP port is dropped, without a word to either end.
bool cut(int port);
void mend(int port);

/// Keeps the kernel from giving `port` to an outgoing connection while its server is away. Only for
/// a private network.
void keep_free(int port);

} // namespace chaos
