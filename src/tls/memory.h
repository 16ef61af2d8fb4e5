// Overwrites memory that OpenSSL frees: keys, most of which it overwrites itself, and record buffers with
// plaintext, which it does not overwrite.
#pragma once

namespace localproxy::tls {

// REQUIRES: OpenSSL has not been used yet.
void wipe_freed_memory();

}  // namespace localproxy::tls
