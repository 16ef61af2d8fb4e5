// The source's side of the multiplexer, and the behaviour that both sides share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/tunnel.h"
#include "tests/unit/net/recorder.h"

namespace localproxy::net {
namespace {

using test::make;
using test::Message;
using test::MessageType;
using test::Side;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int32_t kFirst = Side::kFirst;

struct Source : Side {
  explicit Source(std::vector<std::string> services = {"A", "B"}, uint32_t first = kFirst,
                  uint32_t max_id = limits::kMaxId)
      : Side(true, std::move(services), Format{}, 4, first, max_id) {}
};

TEST(SourceTest, TheFirstConnectionStartsTheStreamAndTheNextOnesConnections) {
  Source s;
  s.tunnel.local_opened(31, 1);
  s.tunnel.local_opened(32, 1);
  s.tunnel.local_opened(33, 0);
  EXPECT_THAT(s.events.events, ElementsAre("send STREAM_START stream 1000 service 'B' connection 1",
                                           "send CONNECTION_START stream 1000 service 'B' connection 2",
                                           "send STREAM_START stream 1001 service 'A' connection 1"));
  EXPECT_EQ(s.tunnel.open_connections(), 3U);
  const Route* route = s.tunnel.route(32);
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->stream_id, 1'000);
  EXPECT_EQ(route->service_id, "B");
  EXPECT_EQ(route->connection_id, 2U);
}

TEST(SourceTest, DataGoesToTheConnectionItNames) {
  Source s;
  s.tunnel.local_opened(31, 0);
  s.tunnel.local_opened(32, 0);
  s.events.take();
  s.take(MessageType::kData, kFirst, "A", 2, "two");
  s.take(MessageType::kData, kFirst, "A", 1, "one");
  s.take(MessageType::kData, kFirst, "A", 0, "one without an id");
  s.take(MessageType::kData, kFirst + 1, "A", 1, "stale");
  s.take(MessageType::kData, kFirst, "A", 3, "of none");
  EXPECT_THAT(s.events.events,
              ElementsAre("deliver 32 two", "deliver 31 one", "deliver 31 one without an id"));
}

TEST(SourceTest, TheStreamOutlivesAllButTheLastOfItsConnections) {
  Source s;
  s.tunnel.local_opened(31, 0);
  s.take(MessageType::kData, kFirst, "A", 1, "of version 3");
  s.tunnel.local_opened(32, 0);
  s.events.take();
  s.tunnel.local_closed(31);
  EXPECT_THAT(s.events.take(), ElementsAre("send CONNECTION_RESET stream 1000 service 'A' connection 1"));
  s.tunnel.local_opened(33, 0);
  EXPECT_THAT(s.events.take(), ElementsAre("send CONNECTION_START stream 1000 service 'A' connection 3"));
  s.take(MessageType::kData, kFirst, "A", 1, "late");
  EXPECT_THAT(s.events.take(), IsEmpty());
}

TEST(SourceTest, AServiceWithoutAConnectionBeginsAStreamAfterTheEndOfTheOneBefore) {
  for (const bool by_peer : {false, true}) {
    Source s;
    s.tunnel.local_opened(31, 0);
    s.tunnel.local_opened(32, 1);
    s.take(MessageType::kData, kFirst, "A", 1, "of version 3");
    if (by_peer) {
      s.take(MessageType::kConnectionReset, kFirst, "A", 1);
    } else {
      s.tunnel.local_closed(31);
    }
    EXPECT_EQ(s.events.take().back(), "send STREAM_RESET stream 1000 service 'A' connection 1");
    s.tunnel.local_opened(33, 0);
    EXPECT_THAT(s.events.take(), ElementsAre("send STREAM_START stream 1002 service 'A' connection 1"));
    s.take(MessageType::kData, kFirst, "A", 1, "late");
    EXPECT_THAT(s.events.take(), IsEmpty());
  }
}

TEST(SourceTest, AtTheEndActiveStreamsAreEnded) {
  Source s({"A", "B", "C", "D"});
  s.tunnel.local_opened(31, 0);
  s.tunnel.local_opened(32, 1);
  s.tunnel.local_opened(33, 2);
  s.tunnel.local_closed(31);
  s.take(MessageType::kStreamReset, kFirst + 1, "B");
  s.events.take();
  s.tunnel.end_streams();
  EXPECT_THAT(s.events.take(), ElementsAre("send STREAM_RESET stream 1002 service 'C' connection 1"));
  EXPECT_EQ(s.tunnel.open_connections(), 0U);
  // The owner closes the local side that was still open.
  EXPECT_EQ(s.tunnel.route(33), nullptr);
  s.tunnel.local_closed(33);
  s.tunnel.end_streams();
  EXPECT_THAT(s.events.take(), IsEmpty());
}

TEST(SourceTest, AfterAStreamResetTheNextConnectionStartsANewStream) {
  Source s;
  s.tunnel.local_opened(31, 0);
  s.tunnel.local_opened(32, 0);
  s.events.take();
  s.take(MessageType::kStreamReset, kFirst, "A");
  EXPECT_THAT(s.events.take(), ElementsAre("finish 31", "finish 32"));
  s.tunnel.local_opened(33, 0);
  EXPECT_THAT(s.events.take(), ElementsAre("send STREAM_START stream 1001 service 'A' connection 1"));
}

TEST(SourceTest, AfterASessionResetEveryServiceStartsANewStream) {
  Source s;
  s.tunnel.local_opened(31, 0);
  s.tunnel.local_opened(32, 1);
  s.events.take();
  s.take(MessageType::kSessionReset, 0);
  EXPECT_THAT(s.events.take(), ElementsAre("finish 31", "finish 32"));
  EXPECT_EQ(s.tunnel.open_connections(), 0U);
  s.tunnel.local_opened(33, 1);
  EXPECT_THAT(s.events.take(), ElementsAre("send STREAM_START stream 1002 service 'B' connection 1"));
}

TEST(SourceTest, StreamIdsStaySmall) {
  static_assert(limits::kMaxId < 1U << 28);
  static_assert(limits::kMaxFirstStreamId < limits::kMaxId);
  Source s({"A", "B"}, limits::kMaxId);
  s.tunnel.local_opened(31, 0);
  s.tunnel.local_opened(32, 1);
  EXPECT_THAT(s.events.events, ElementsAre("send STREAM_START stream 134217727 service 'A' connection 1",
                                           "send STREAM_START stream 1 service 'B' connection 1"));
}

TEST(SourceTest, ConnectionIdsStaySmallAndSkipThoseThatAreOpen) {
  Source s({"A"}, 1, 4);
  s.tunnel.local_opened(31, 0);
  s.take(MessageType::kData, 1, "A", 1, "of version 3");
  for (ConnectionNumber number = 32; number < 35; ++number)
    s.tunnel.local_opened(number, 0);
  s.tunnel.local_closed(33);
  s.events.take();
  s.tunnel.local_opened(35, 0);
  EXPECT_THAT(s.events.take(), ElementsAre("send CONNECTION_START stream 1 service 'A' connection 3"));
  s.take(MessageType::kData, 1, "A", 3, "x");
  EXPECT_THAT(s.events.take(), ElementsAre("deliver 35 x"));
}

TEST(SourceTest, AServiceWithoutAnIdIsNotNamed) {
  Source s({""});
  s.tunnel.local_opened(31, 0);
  EXPECT_THAT(s.events.events, ElementsAre("send STREAM_START stream 1000 service '' connection 1"));
}

TEST(SourceTest, AStreamStartFromTheDestinationIsAnError) {
  Source s;
  s.refuse(make(MessageType::kStreamStart, 7, "A", 1), "which only a source may");
  EXPECT_THAT(s.events.events, IsEmpty());
}

TEST(SourceTest, AConnectionStartFromTheDestinationClosesThatConnection) {
  Source s;
  s.tunnel.local_opened(31, 0);
  s.tunnel.local_opened(32, 0);
  s.events.take();
  s.take(MessageType::kConnectionStart, kFirst, "A", 2);
  EXPECT_THAT(s.events.take(),
              ElementsAre("send CONNECTION_RESET stream 1000 service 'A' connection 2", "finish 32"));
  EXPECT_THAT(s.events.notes, ElementsAre(HasSubstr("which only a source may")));
  EXPECT_EQ(s.tunnel.open_connections(), 1U);
}

TEST(SourceTest, AConnectionStartOfAnotherStreamOrConnectionClosesNothing) {
  Source s;
  s.tunnel.local_opened(31, 0);
  s.events.take();
  s.take(MessageType::kConnectionStart, kFirst + 1, "A", 1);
  s.take(MessageType::kConnectionStart, kFirst, "A", 2);
  EXPECT_THAT(s.events.take(), IsEmpty());
  EXPECT_EQ(s.tunnel.open_connections(), 1U);
}

TEST(SourceDeathTest, TheFirstStreamIdIsPositiveAndSmall) {
  test::Recorder events;
  for (const uint32_t id : {0U, limits::kMaxId + 1}) {
    EXPECT_EXIT(Tunnel(true, {"A"}, Format{}, id, 4, events), testing::ExitedWithCode(71),
                "stream id is positive");
  }
}

// ---- both sides ----

class BothSidesTest : public testing::TestWithParam<bool> {
 protected:
  Side side_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Sides, BothSidesTest, testing::Bool(),
                         [](const auto& each) { return each.param ? "Source" : "Destination"; });

TEST_P(BothSidesTest, UnknownTypesAreSkippedOnlyWhenIgnorable) {
  for (const int32_t type : {0, 8, 99, -1}) {
    Message message = make(static_cast<MessageType>(type), 7, "A", 1);
    message.ignorable = true;
    side_.take(message);
    message.ignorable = false;
    side_.refuse(message, "may not be ignored");
  }
  EXPECT_THAT(side_.events.events, IsEmpty());
}

TEST_P(BothSidesTest, StreamIdZeroIsAnError) {
  for (const MessageType type : {MessageType::kData, MessageType::kStreamStart, MessageType::kStreamReset,
                                 MessageType::kConnectionStart, MessageType::kConnectionReset}) {
    side_.refuse(make(type, 0, "A", 1), "without a stream id");
  }
  EXPECT_THAT(side_.events.events, IsEmpty());
}

TEST_P(BothSidesTest, TheSameServicesAgainAreFineInAnyOrder) {
  Message ids{.type = MessageType::kServiceIds, .service_ids = {"A", "B"}};
  side_.take(ids);
  ids.service_ids = {"B", "A"};
  side_.take(ids);
  EXPECT_THAT(side_.events.events, IsEmpty());
}

TEST_P(BothSidesTest, OtherServicesAreAnError) {
  for (const auto& services :
       std::vector<std::vector<std::string>>{{}, {"A"}, {"A", "C"}, {"A", "B", "C"}, {"A", "A"}}) {
    side_.refuse({.type = MessageType::kServiceIds, .service_ids = services}, "changed the services");
  }
}

TEST_P(BothSidesTest, RepeatedEmptyServicesMeanTheOneWithoutAnId) {
  Side side(GetParam(), {""});
  side.take({.type = MessageType::kServiceIds});
  side.refuse({.type = MessageType::kServiceIds, .service_ids = {"A"}}, "changed the services");
}

TEST_P(BothSidesTest, AnInvalidMessageIsAnError) {
  EXPECT_FALSE(side_.tunnel.receive(as_bytes("\xff\xff\xff")).ok());
  // A field outside the schema.
  EXPECT_FALSE(side_.tunnel.receive(as_bytes("\x78\x01")).ok());
}

TEST_P(BothSidesTest, AnEmptyMessageIsOfUnknownType) {
  EXPECT_FALSE(side_.tunnel.receive({}).ok());
}

}  // namespace
}  // namespace localproxy::net
