#include "base/exhaustion.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/unit/base/no_descriptors.h"

namespace localproxy {
namespace {

using testing::HasSubstr;

TEST(Exhaustion, CoversErrorsThatPassByThemselves) {
  for (const int error : {EMFILE, ENFILE, ETOOMANYREFS, ENOBUFS, ENOMEM}) {
    EXPECT_TRUE(is_exhaustion(error)) << error;
    EXPECT_FALSE(remedy(error).empty()) << error;
  }
  for (const int error : {0, EAGAIN, EINTR, EPIPE, ECONNRESET, EACCES, EINVAL}) {
    EXPECT_FALSE(is_exhaustion(error)) << error;
    EXPECT_TRUE(remedy(error).empty()) << error;
  }
}

TEST(Exhaustion, AnErrorSaysWhatToRaise) {
  const test::NoDescriptors none;
  EXPECT_THAT(make_pipe().error().text(), HasSubstr("pipe2: Too many open files (raise the limit"));
  EXPECT_THAT(make_socketpair(SOCK_STREAM).error().text(), HasSubstr("LimitNOFILE="));
}

TEST(Exhaustion, AFailedForkNamesTheLimits) {
  EXPECT_THAT(cannot_fork("cannot start x", EAGAIN).text(), HasSubstr("TasksMax="));
  EXPECT_THAT(cannot_fork("cannot start x", ENOMEM).text(), HasSubstr("short of memory"));
  EXPECT_EQ(cannot_fork("cannot start x", EAGAIN).number(), EAGAIN);
}

TEST(Episode, IsLoggedOnceAndCounted) {
  Episode episode;
  EXPECT_EQ(episode.over(), 0U);
  EXPECT_TRUE(episode.failed());
  EXPECT_FALSE(episode.failed());
  EXPECT_TRUE(episode.lasts());
  EXPECT_EQ(episode.over(), 2U);
  EXPECT_FALSE(episode.lasts());
  EXPECT_TRUE(episode.failed());
}

}  // namespace
}  // namespace localproxy
