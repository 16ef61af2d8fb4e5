// Memory that OpenSSL gives back is overwritten first: keys, which it mostly does itself, and the buffers of
// records with plaintext in them, which it does not.
#pragma once

namespace localproxy::tls {

// REQUIRES: nothing of OpenSSL was used before.
void wipe_freed_memory();

}  // namespace localproxy::tls
