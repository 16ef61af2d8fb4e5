#include "base/spawn.h"

#include <gtest/gtest.h>

namespace localproxy {
namespace {

TEST(ProgramNameTest, HasTheRoleBehindTheProduct) {
  EXPECT_EQ(program_name("net"), "localproxy-net");
}

}  // namespace
}  // namespace localproxy
