// What the kernel pretends to refuse, because no test can make it do so.
#pragma once

#include <cstddef>

namespace localproxy::test {

// Not 0: splice() fails with it.
inline int splice_error = 0;
// Calls of splice().
inline size_t splices = 0;
// No pipe gets another size.
inline bool refuse_sizes = false;
// Sizes that were refused.
inline size_t refused_sizes = 0;

}  // namespace localproxy::test
