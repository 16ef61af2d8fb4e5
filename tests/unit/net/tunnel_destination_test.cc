// The destination's side of the multiplexer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/tunnel.h"
#include "tests/unit/net/recorder.h"

namespace localproxy::net {
namespace {

using test::make;
using test::MessageType;
using test::Side;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint32_t kMaxConnections = 4;

struct Destination : Side {
  explicit Destination(std::vector<std::string> services = {"A", "B"},
                       uint32_t max_connections = kMaxConnections)
      : Side(false, std::move(services), Format{}, max_connections) {}
};

TEST(DestinationTest, OpensWhatThePeerStartsAndDeliversItsData) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "B", 1);
  d.take(MessageType::kData, 7, "B", 1, "hello");
  d.take(MessageType::kConnectionStart, 7, "B", 2);
  d.take(MessageType::kData, 7, "B", 2, "world");
  EXPECT_THAT(d.events.events,
              ElementsAre("open 1 service 1", "deliver 1 hello", "open 2 service 1", "deliver 2 world"));
  EXPECT_EQ(d.tunnel.open_connections(), 2U);
  EXPECT_THAT(d.events.notes, IsEmpty());
}

TEST(DestinationTest, AnswersAreAddressedAsTheConnectionIs) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "B", 3);
  const Route* route = d.tunnel.route(1);
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->stream_id, 7);
  EXPECT_EQ(route->service_id, "B");
  EXPECT_EQ(route->connection_id, 3U);
  EXPECT_EQ(d.tunnel.route(2), nullptr);
}

TEST(DestinationTest, ServicesDoNotShareStreams) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.take(MessageType::kStreamStart, 7, "B", 1);
  d.take(MessageType::kStreamReset, 7, "A");
  d.take(MessageType::kData, 7, "A", 1, "late");
  d.take(MessageType::kData, 7, "B", 1, "on");
  EXPECT_THAT(d.events.events,
              ElementsAre("open 1 service 0", "open 2 service 1", "finish 1", "deliver 2 on"));
}

TEST(DestinationTest, DropsDataOfAnotherStreamOrConnection) {
  Destination d;
  d.take(MessageType::kData, 7, "A", 1, "before any start");
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.events.take();
  d.take(MessageType::kData, 6, "A", 1, "x");
  d.take(MessageType::kData, 8, "A", 1, "x");
  d.take(MessageType::kData, 7, "A", 2, "x");
  d.take(MessageType::kData, 7, "B", 1, "x");
  EXPECT_THAT(d.events.events, IsEmpty());
}

TEST(DestinationTest, DataWithoutPayloadDeliversNothing) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.events.take();
  d.take(MessageType::kData, 7, "A", 1, "");
  EXPECT_THAT(d.events.events, IsEmpty());
}

TEST(DestinationTest, DataInAnUnusualOrderOfFieldsIsDelivered) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.events.take();
  // The fast decoder wants the schema's order; here streamId (2) precedes type (1).
  const std::string usual = test::encoded(make(MessageType::kData, 7, "A", 1, "turned"));
  const std::string turned = usual.substr(2, 2) + usual.substr(0, 2) + usual.substr(4);
  ASSERT_TRUE(d.tunnel.receive(as_bytes(turned)).ok());
  EXPECT_THAT(d.events.events, ElementsAre("deliver 1 turned"));
}

TEST(DestinationTest, StreamStartReplacesTheActiveStream) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.take(MessageType::kConnectionStart, 7, "A", 2);
  d.events.take();
  d.take(MessageType::kStreamStart, 8, "A", 1);
  EXPECT_THAT(d.events.take(), ElementsAre("finish 1", "finish 2", "open 3 service 0"));
  d.take(MessageType::kData, 7, "A", 1, "old");
  d.take(MessageType::kData, 8, "A", 1, "new");
  EXPECT_THAT(d.events.take(), ElementsAre("deliver 3 new"));
  EXPECT_EQ(d.tunnel.open_connections(), 1U);
}

TEST(DestinationTest, StreamStartOfTheSameStreamStartsItAnew) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.take(MessageType::kStreamStart, 7, "A", 1);
  EXPECT_THAT(d.events.events, ElementsAre("open 1 service 0", "finish 1", "open 2 service 0"));
}

TEST(DestinationTest, ConnectionStartWithoutAStreamStartsOne) {
  Destination d;
  d.take(MessageType::kConnectionStart, 7, "A", 5);
  d.take(MessageType::kData, 7, "A", 5, "x");
  d.take(MessageType::kConnectionStart, 7, "A", 6);
  EXPECT_THAT(d.events.events, ElementsAre("open 1 service 0", "deliver 1 x", "open 2 service 0"));
}

TEST(DestinationTest, ConnectionStartAfterAStreamResetStartsAStream) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.take(MessageType::kStreamReset, 7, "A");
  d.events.take();
  d.take(MessageType::kConnectionStart, 7, "A", 2);
  EXPECT_THAT(d.events.events, ElementsAre("open 2 service 0"));
}

TEST(DestinationTest, DuplicateConnectionStartIsRefusedAndTheFirstGoesOn) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.events.take();
  d.take(MessageType::kConnectionStart, 7, "A", 1);
  EXPECT_THAT(d.events.take(), ElementsAre("send CONNECTION_RESET stream 7 service 'A' connection 1"));
  EXPECT_THAT(d.events.notes, ElementsAre(HasSubstr("refused CONNECTION_START")));
  d.take(MessageType::kData, 7, "A", 1, "on");
  EXPECT_THAT(d.events.take(), ElementsAre("deliver 1 on"));
}

TEST(DestinationTest, ConnectionStartOfAnotherStreamIsRefused) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.events.take();
  d.take(MessageType::kConnectionStart, 8, "A", 2);
  EXPECT_THAT(d.events.events, ElementsAre("send CONNECTION_RESET stream 8 service 'A' connection 2"));
  EXPECT_EQ(d.tunnel.open_connections(), 1U);
}

TEST(DestinationTest, MoreConnectionsThanAllowedAreRefused) {
  Destination d({"A", "B"}, 2);
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.take(MessageType::kConnectionStart, 7, "A", 2);
  d.events.take();
  d.take(MessageType::kConnectionStart, 7, "A", 3);
  EXPECT_THAT(d.events.take(), ElementsAre("send CONNECTION_RESET stream 7 service 'A' connection 3"));
  EXPECT_THAT(d.events.notes, ElementsAre(HasSubstr("has 2 connections already")));
  // The limit is a service's, and a closed connection makes room.
  d.take(MessageType::kStreamStart, 9, "B", 1);
  d.take(MessageType::kConnectionReset, 7, "A", 1);
  d.take(MessageType::kConnectionStart, 7, "A", 4);
  EXPECT_THAT(d.events.take(), ElementsAre("open 3 service 1", "finish 1", "open 4 service 0"));
}

TEST(DestinationTest, ConnectionResetEndsOneConnection) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.take(MessageType::kConnectionStart, 7, "A", 2);
  d.events.take();
  d.take(MessageType::kConnectionReset, 6, "A", 1);  // of another stream
  d.take(MessageType::kConnectionReset, 7, "A", 9);  // of no connection
  EXPECT_THAT(d.events.take(), IsEmpty());
  d.take(MessageType::kConnectionReset, 7, "A", 1);
  d.take(MessageType::kConnectionReset, 7, "A", 1);
  EXPECT_THAT(d.events.take(), ElementsAre("finish 1"));
  EXPECT_EQ(d.tunnel.route(1), nullptr);
  EXPECT_NE(d.tunnel.route(2), nullptr);
}

TEST(DestinationTest, StreamResetEndsTheStreamButNotAnother) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.take(MessageType::kConnectionStart, 7, "A", 2);
  d.events.take();
  d.take(MessageType::kStreamReset, 6, "A");
  EXPECT_THAT(d.events.take(), IsEmpty());
  d.take(MessageType::kStreamReset, 7, "A");
  EXPECT_THAT(d.events.take(), ElementsAre("finish 1", "finish 2"));
  EXPECT_EQ(d.tunnel.open_connections(), 0U);
}

TEST(DestinationTest, SessionResetEndsAllStreams) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.take(MessageType::kStreamStart, 8, "B", 1);
  d.events.take();
  d.take(MessageType::kSessionReset, 0);
  EXPECT_THAT(d.events.take(), ElementsAre("finish 1", "finish 2"));
  d.take(MessageType::kData, 7, "A", 1, "x");
  EXPECT_THAT(d.events.take(), IsEmpty());
}

TEST(DestinationTest, LocalEndResetsTheConnectionOnce) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.take(MessageType::kConnectionStart, 7, "A", 2);
  d.events.take();
  d.tunnel.local_closed(1);
  d.tunnel.local_closed(1);
  d.tunnel.local_closed(99);
  EXPECT_THAT(d.events.take(), ElementsAre("send CONNECTION_RESET stream 7 service 'A' connection 1"));
  d.take(MessageType::kData, 7, "A", 1, "late");
  d.take(MessageType::kData, 7, "A", 2, "on");
  EXPECT_THAT(d.events.take(), ElementsAre("deliver 2 on"));
}

// ---- peers of versions 1 and 2 ----

TEST(DestinationTest, WithoutAConnectionIdTheConnectionIsTheFirst) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A");
  d.take(MessageType::kData, 7, "A", 0, "zero");
  d.take(MessageType::kData, 7, "A", 1, "one");
  EXPECT_THAT(d.events.events, ElementsAre("open 1 service 0", "deliver 1 zero", "deliver 1 one"));
  EXPECT_EQ(d.tunnel.route(1)->connection_id, 0U) << "answers carry no connection id";
  EXPECT_EQ(d.tunnel.route(1)->service_id, "A");
}

TEST(DestinationTest, ConnectionResetWithoutAnIdEndsTheFirstConnection) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A", 1);
  d.take(MessageType::kConnectionReset, 7, "A");
  EXPECT_THAT(d.events.events, ElementsAre("open 1 service 0", "finish 1"));
}

TEST(DestinationTest, WithoutAConnectionIdALocalEndIsTheEndOfTheStream) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "A");
  d.events.take();
  d.tunnel.local_closed(1);
  EXPECT_THAT(d.events.take(), ElementsAre("send STREAM_RESET stream 7 service 'A' connection 0"));
  d.take(MessageType::kData, 7, "A", 0, "late");
  EXPECT_THAT(d.events.take(), IsEmpty());
  d.take(MessageType::kStreamStart, 8, "A");
  d.take(MessageType::kData, 8, "A", 0, "x");
  EXPECT_THAT(d.events.take(), ElementsAre("open 2 service 0", "deliver 2 x"));
}

TEST(DestinationTest, WithoutAServiceIdTheServiceIsTheOnlyOne) {
  Destination d({"A"});
  d.take(MessageType::kStreamStart, 7);
  d.take(MessageType::kData, 7, "", 0, "x");
  EXPECT_THAT(d.events.take(), ElementsAre("open 1 service 0", "deliver 1 x"));
  EXPECT_EQ(d.tunnel.route(1)->service_id, "") << "answers carry no service id";
  d.tunnel.local_closed(1);
  EXPECT_THAT(d.events.take(), ElementsAre("send STREAM_RESET stream 7 service '' connection 0"));
}

TEST(DestinationTest, AServiceWithoutAnIdIsFound) {
  Destination d({""});
  d.take(MessageType::kStreamStart, 7, "", 1);
  EXPECT_THAT(d.events.take(), ElementsAre("open 1 service 0"));
  d.tunnel.local_closed(1);
  EXPECT_THAT(d.events.take(), ElementsAre("send CONNECTION_RESET stream 7 service '' connection 1"));
}

TEST(DestinationTest, TheFormatIsThatOfEachStreamStart) {
  Destination d({"A"});
  d.take(MessageType::kStreamStart, 7);
  d.take(MessageType::kStreamStart, 8, "A", 1);
  EXPECT_EQ(d.tunnel.route(2)->service_id, "A");
  EXPECT_EQ(d.tunnel.route(2)->connection_id, 1U);
  d.take(MessageType::kStreamStart, 9, "A");
  EXPECT_EQ(d.tunnel.route(3)->service_id, "A");
  EXPECT_EQ(d.tunnel.route(3)->connection_id, 0U);
}

TEST(DestinationTest, UnknownServicesAreIgnored) {
  Destination d;
  d.take(MessageType::kStreamStart, 7, "C", 1);
  d.take(MessageType::kStreamReset, 7, "C");
  EXPECT_THAT(d.events.notes, testing::SizeIs(2));
  EXPECT_THAT(d.events.notes, testing::Each(HasSubstr("no such service")));
  d.take(MessageType::kData, 7, "C", 1, "x");
  EXPECT_THAT(d.events.events, IsEmpty());
}

TEST(DestinationDeathTest, AcceptsNoLocalConnections) {
  Destination d;
  EXPECT_EXIT(d.tunnel.local_opened(1, 0), testing::ExitedWithCode(71), "accepts no local connections");
}

}  // namespace
}  // namespace localproxy::net
