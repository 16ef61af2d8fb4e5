// A source whose destination never answers: what is logged, and when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/tunnel.h"
#include "tests/unit/net/recorder.h"

namespace localproxy::net {
namespace {

using test::MessageType;
using test::Side;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Silence {
  int version;
  std::vector<std::string> services;
  std::string flag;  // the one that the log names; empty: it must name none
};

class SilenceTest : public testing::TestWithParam<Silence> {
 protected:
  void expect_note(const std::string& what) {
    ASSERT_THAT(s_.events.notes, testing::SizeIs(1));
    EXPECT_THAT(s_.events.notes[0], AllOf(HasSubstr(what), HasSubstr("without one byte")));
    if (GetParam().flag.empty()) {
      EXPECT_THAT(s_.events.notes[0], Not(HasSubstr("-y")));
    } else {
      EXPECT_TRUE(s_.events.notes[0].ends_with("start with " + GetParam().flag)) << s_.events.notes[0];
    }
    EXPECT_FALSE(s_.tunnel.expects_answer());
  }
  Side s_{true, GetParam().services, format_of_version(GetParam().version)};
};

INSTANTIATE_TEST_SUITE_P(Sources, SilenceTest,
                         testing::Values(Silence{3, {"A"}, "-y V1"}, Silence{3, {"A", "B"}, "-y V2"},
                                         Silence{2, {"A"}, "-y V1"}, Silence{2, {"A", "B"}, ""},
                                         Silence{1, {"A"}, ""}),
                         [](const auto& each) {
                           return "V" + std::to_string(each.param.version) + "With" +
                                  std::to_string(each.param.services.size());
                         });

TEST_P(SilenceTest, AnEndWithoutAnAnswerIsLoggedOnce) {
  for (ConnectionNumber number = 31; number < 34; ++number) {
    s_.tunnel.local_opened(number, 0);
    s_.tunnel.route(number);
    s_.tunnel.local_closed(number);
  }
  expect_note("a connection to service 'A' has ended");
}

TEST_P(SilenceTest, AStreamThatIsResetWithoutAnAnswerIsLoggedToo) {
  s_.tunnel.local_opened(31, 0);
  s_.tunnel.route(31);
  s_.take(MessageType::kStreamReset, 1'000, "A");
  expect_note("a connection to service 'A' has ended");
}

TEST_P(SilenceTest, WaitingIsLoggedOnce) {
  s_.tunnel.waited();
  EXPECT_THAT(s_.events.notes, IsEmpty()) << "no connection waits";
  s_.tunnel.local_opened(31, 0);
  s_.tunnel.waited();
  s_.tunnel.waited();
  s_.tunnel.route(31);
  s_.tunnel.local_closed(31);
  expect_note("connections wait");
}

TEST_P(SilenceTest, WithoutBytesNoAnswerIsExpected) {
  s_.tunnel.local_opened(31, 0);
  s_.tunnel.local_closed(31);
  EXPECT_THAT(s_.events.notes, IsEmpty());
  EXPECT_TRUE(s_.tunnel.expects_answer());
}

TEST(SilenceAtDestinationTest, IsNotExpected) {
  Side d(false, {"A"});
  d.take(MessageType::kStreamStart, 7, "A", 1);
  EXPECT_FALSE(d.tunnel.expects_answer());
  d.tunnel.route(1);
  d.tunnel.waited();
  d.tunnel.local_closed(1);
  EXPECT_THAT(d.events.notes, IsEmpty());
}

TEST(SilenceBrokenTest, AnyAnswerEndsIt) {
  for (const MessageType type : {MessageType::kData, MessageType::kConnectionReset}) {
    Side s(true, {"A"});
    s.tunnel.local_opened(31, 0);
    EXPECT_TRUE(s.tunnel.expects_answer());
    s.take(type, 1'000, "A", 1, type == MessageType::kData ? "x" : "");
    EXPECT_FALSE(s.tunnel.expects_answer());
    s.tunnel.local_opened(32, 0);
    s.tunnel.route(32);
    s.tunnel.waited();
    s.tunnel.local_closed(32);
    EXPECT_THAT(s.events.notes, IsEmpty());
  }
}

}  // namespace
}  // namespace localproxy::net
