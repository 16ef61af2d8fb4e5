// Versions 1 and 2: a source that speaks one of them, a source of version 3 whose destination turns out to be
// older, and a destination.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/tunnel.h"
#include "tests/unit/net/recorder.h"

namespace localproxy::net {
namespace {

using test::line;
using test::make;
using test::MessageType;
using test::Side;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct VersionSide : Side {
  VersionSide(bool source, int version, std::vector<std::string> services = {"A"})
      : Side(source, std::move(services), format_of_version(version)) {}
};

// ---- a source that speaks version 1 or 2 ----

class OlderSourceTest : public testing::TestWithParam<int> {
 protected:
  std::string id() const { return GetParam() == 1 ? "" : "A"; }
  std::string start(int32_t stream) const {
    return "send " + line(make(MessageType::kStreamStart, stream, id()));
  }
  std::string reset(int32_t stream) const {
    return "send " + line(make(MessageType::kStreamReset, stream, id()));
  }
  VersionSide s_{true, GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Versions, OlderSourceTest, testing::Values(1, 2),
                         [](const auto& each) { return "V" + std::to_string(each.param); });

TEST_P(OlderSourceTest, SendsOnlyTheFieldsOfItsVersion) {
  s_.tunnel.local_opened(31, 0);
  EXPECT_THAT(s_.events.take(), ElementsAre(start(1'000)));
  const Route* route = s_.tunnel.route(31);
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->stream_id, 1'000);
  EXPECT_EQ(route->service_id, id());
  EXPECT_EQ(route->connection_id, 0U);
  s_.tunnel.local_closed(31);
  EXPECT_THAT(s_.events.take(), ElementsAre(reset(1'000)));
}

TEST_P(OlderSourceTest, ANewConnectionReplacesTheOneBefore) {
  s_.tunnel.local_opened(31, 0);
  s_.take(MessageType::kData, 1'000, id(), 0, "received before");
  s_.events.take();
  s_.tunnel.local_opened(32, 0);
  EXPECT_THAT(s_.events.take(), ElementsAre("finish 31", reset(1'000), start(1'001)));
  EXPECT_EQ(s_.tunnel.route(31), nullptr);
  s_.take(MessageType::kData, 1'000, id(), 0, "late");
  s_.take(MessageType::kStreamReset, 1'000, id());
  s_.take(MessageType::kData, 1'001, id(), 0, "new");
  EXPECT_THAT(s_.events.take(), ElementsAre("deliver 32 new"));
  s_.tunnel.local_closed(31);
  EXPECT_THAT(s_.events.take(), IsEmpty()) << "the peer has ended it already";
  EXPECT_THAT(s_.events.notes, IsEmpty());
}

TEST_P(OlderSourceTest, EveryConnectionStartsAStream) {
  for (int32_t stream = 1'000; stream < 1'003; ++stream) {
    s_.tunnel.local_opened(static_cast<ConnectionNumber>(stream), 0);
    s_.tunnel.local_closed(static_cast<ConnectionNumber>(stream));
    EXPECT_THAT(s_.events.take(), ElementsAre(start(stream), reset(stream)));
  }
  s_.tunnel.end_streams();
  EXPECT_THAT(s_.events.take(), IsEmpty()) << "a stream ends once";
}

TEST_P(OlderSourceTest, TakesAnswersOfAnyVersion) {
  s_.tunnel.local_opened(31, 0);
  s_.events.take();
  s_.take(MessageType::kData, 1'000, "", 0, "1");
  s_.take(MessageType::kData, 1'000, "A", 0, "2");
  s_.take(MessageType::kData, 1'000, "A", 1, "3");
  s_.take(MessageType::kData, 1'000, "A", 2, "of no connection");
  EXPECT_THAT(s_.events.take(), ElementsAre("deliver 31 1", "deliver 31 2", "deliver 31 3"));
  s_.take(MessageType::kConnectionReset, 1'000, "A", 1);
  EXPECT_THAT(s_.events.take(), ElementsAre("finish 31"));
  s_.tunnel.local_opened(32, 0);
  s_.tunnel.local_closed(32);
  EXPECT_THAT(s_.events.take(), ElementsAre(start(1'001), reset(1'001)));
  EXPECT_THAT(s_.events.notes, IsEmpty());
}

TEST(OlderSourceV2Test, ServicesDoNotReplaceEachOther) {
  VersionSide s(true, 2, {"A", "B"});
  s.tunnel.local_opened(31, 0);
  s.tunnel.local_opened(32, 1);
  EXPECT_EQ(s.tunnel.open_connections(), 2U);
  s.events.take();
  s.tunnel.local_opened(33, 1);
  EXPECT_THAT(s.events.take(),
              ElementsAre("finish 32", "send STREAM_RESET stream 1001 service 'B' connection 0",
                          "send STREAM_START stream 1002 service 'B' connection 0"));
}

TEST(OlderSourceDeathTest, Version1IsForOneService) {
  EXPECT_EXIT(VersionSide(true, 1, {"A", "B"}), testing::ExitedWithCode(71), "tunnels of one service");
}

// ---- a source of version 3 ----

class RecognitionTest : public testing::TestWithParam<int> {
 protected:
  std::string id() const { return GetParam() == 1 ? "" : "A"; }
  void answer(int32_t stream, const std::string& text) { s_.take(MessageType::kData, stream, id(), 0, text); }
  VersionSide s_{true, 3};
};

INSTANTIATE_TEST_SUITE_P(Versions, RecognitionTest, testing::Values(1, 2),
                         [](const auto& each) { return "V" + std::to_string(each.param); });

TEST_P(RecognitionTest, TheFirstAnswerShowsAnOlderDestination) {
  s_.tunnel.local_opened(31, 0);
  answer(1'000, "one");
  answer(1'000, "two");
  EXPECT_THAT(s_.events.take(), ElementsAre("send STREAM_START stream 1000 service 'A' connection 1",
                                            "deliver 31 one", "deliver 31 two"));
  const std::string version = std::to_string(GetParam());
  EXPECT_THAT(s_.events.notes,
              ElementsAre(AllOf(HasSubstr("speaks version " + version), HasSubstr("-y V" + version))));
}

TEST_P(RecognitionTest, ThenANewConnectionReplacesTheStreamInTheSameFormat) {
  s_.tunnel.local_opened(31, 0);
  answer(1'000, "one");
  s_.events.take();
  s_.tunnel.local_opened(32, 0);
  EXPECT_THAT(s_.events.take(),
              ElementsAre("finish 31", "send STREAM_RESET stream 1000 service 'A' connection 1",
                          "send STREAM_START stream 1001 service 'A' connection 1"));
  EXPECT_EQ(s_.tunnel.route(32)->service_id, "A");
  EXPECT_EQ(s_.tunnel.route(32)->connection_id, 1U);
  answer(1'000, "late");
  answer(1'001, "new");
  EXPECT_THAT(s_.events.take(), ElementsAre("deliver 32 new"));
  s_.tunnel.local_closed(32);
  EXPECT_THAT(s_.events.take(), ElementsAre("send STREAM_RESET stream 1001 service 'A' connection 1"));
  answer(1'001, "late");
  s_.tunnel.local_opened(33, 0);
  answer(1'002, "x");
  EXPECT_THAT(s_.events.take(),
              ElementsAre("send STREAM_START stream 1002 service 'A' connection 1", "deliver 33 x"));
  EXPECT_THAT(s_.events.notes, testing::SizeIs(1)) << "said once";
}

TEST_P(RecognitionTest, ConnectionsThatItNeverUnderstoodAreFinished) {
  s_.tunnel.local_opened(31, 0);
  s_.tunnel.local_opened(32, 0);
  s_.tunnel.local_opened(33, 0);
  s_.events.take();
  answer(1'000, "x");
  EXPECT_THAT(s_.events.take(), ElementsAre("finish 33", "finish 32", "deliver 31 x"));
}

TEST_P(RecognitionTest, AConnectionStartThatTheServiceRefusedIsNoProofButAHint) {
  s_.tunnel.local_opened(31, 0);
  s_.tunnel.local_opened(32, 0);
  s_.tunnel.local_opened(33, 0);
  s_.events.take();
  s_.take(MessageType::kConnectionReset, 1'000, "A", 2);
  s_.take(MessageType::kConnectionReset, 1'000, "A", 3);
  EXPECT_THAT(s_.events.take(), ElementsAre("finish 32", "finish 33"));
  EXPECT_THAT(s_.events.notes, ElementsAre(AllOf(HasSubstr("-y V1"), HasSubstr("-y V2"))));
  answer(1'000, "x");
  s_.tunnel.local_opened(34, 0);
  EXPECT_THAT(s_.events.take(), ElementsAre("deliver 31 x", "finish 31",
                                            "send STREAM_RESET stream 1000 service 'A' connection 1",
                                            "send STREAM_START stream 1001 service 'A' connection 1"));
}

TEST_P(RecognitionTest, ASilentDestinationGetsAStreamForEachConnectionThatIsAlone) {
  s_.tunnel.local_opened(31, 0);
  s_.tunnel.local_closed(31);
  EXPECT_EQ(s_.events.take().back(), "send STREAM_RESET stream 1000 service 'A' connection 1");
  s_.tunnel.local_opened(32, 0);
  EXPECT_THAT(s_.events.take(), ElementsAre("send STREAM_START stream 1001 service 'A' connection 1"));
  answer(1'001, "x");
  EXPECT_THAT(s_.events.take(), ElementsAre("deliver 32 x"));
}

TEST_P(RecognitionTest, AnAnswerAfterTheFirstConnectionHasEndedCountsToo) {
  s_.tunnel.local_opened(31, 0);
  s_.tunnel.local_opened(32, 0);
  s_.tunnel.local_closed(31);
  s_.events.take();
  answer(1'000, "for the first");
  EXPECT_THAT(s_.events.take(), ElementsAre("finish 32"));
  EXPECT_EQ(s_.tunnel.open_connections(), 0U);
  answer(1'000, "late");
  EXPECT_THAT(s_.events.take(), IsEmpty());
}

TEST_P(RecognitionTest, ADestinationOfVersion3MayTakeItsPlace) {
  s_.tunnel.local_opened(31, 0);
  answer(1'000, "x");
  s_.take(MessageType::kStreamReset, 1'000, id());
  s_.tunnel.local_opened(32, 0);
  s_.take(MessageType::kData, 1'001, "A", 1, "x");
  s_.events.take();
  s_.tunnel.local_opened(33, 0);
  EXPECT_THAT(s_.events.take(), ElementsAre("send CONNECTION_START stream 1001 service 'A' connection 2"));
  // And an older one again.
  s_.take(MessageType::kStreamReset, 1'001, "A");
  s_.tunnel.local_opened(34, 0);
  answer(1'002, "x");
  s_.events.take();
  s_.tunnel.local_opened(35, 0);
  EXPECT_THAT(s_.events.take(),
              ElementsAre("finish 34", "send STREAM_RESET stream 1002 service 'A' connection 1",
                          "send STREAM_START stream 1003 service 'A' connection 1"));
}

TEST_P(RecognitionTest, AStaleAnswerShowsNothing) {
  s_.tunnel.local_opened(31, 0);
  answer(999, "of a destination before");
  s_.tunnel.local_opened(32, 0);
  EXPECT_THAT(s_.events.take(), ElementsAre("send STREAM_START stream 1000 service 'A' connection 1",
                                            "send CONNECTION_START stream 1000 service 'A' connection 2"));
  EXPECT_THAT(s_.events.notes, IsEmpty());
}

TEST(RecognitionV3Test, ItsAnswersKeepTheStream) {
  VersionSide s(true, 3);
  s.tunnel.local_opened(31, 0);
  s.take(MessageType::kData, 1'000, "A", 1);
  // The stream's first message settles the version.
  s.take(MessageType::kData, 1'000, "A", 0, "x");
  s.events.take();
  s.tunnel.local_opened(32, 0);
  EXPECT_THAT(s.events.take(), ElementsAre("send CONNECTION_START stream 1000 service 'A' connection 2"));
  EXPECT_THAT(s.events.notes, IsEmpty());
}

TEST(RecognitionV3Test, ARefusalOfTheFirstConnectionComesFromVersion3) {
  VersionSide s(true, 3);
  s.tunnel.local_opened(31, 0);
  s.take(MessageType::kConnectionReset, 1'000, "A", 1);
  s.tunnel.local_opened(32, 0);
  s.events.take();
  s.tunnel.local_opened(33, 0);
  s.take(MessageType::kConnectionReset, 1'001, "A", 2);
  EXPECT_THAT(s.events.take(),
              ElementsAre("send CONNECTION_START stream 1001 service 'A' connection 2", "finish 33"));
  EXPECT_THAT(s.events.notes, IsEmpty());
}

TEST(RecognitionV3Test, OneServiceSettlesTheVersionForAll) {
  VersionSide s(true, 3, {"A", "B"});
  s.tunnel.local_opened(31, 0);
  s.tunnel.local_opened(32, 1);
  s.tunnel.local_opened(33, 1);
  s.events.take();
  s.take(MessageType::kData, 1'000, "A", 0, "x");
  EXPECT_THAT(s.events.take(), ElementsAre("finish 33", "deliver 31 x"));
  s.tunnel.local_opened(34, 1);
  EXPECT_THAT(s.events.take(),
              ElementsAre("finish 32", "send STREAM_RESET stream 1001 service 'B' connection 1",
                          "send STREAM_START stream 1002 service 'B' connection 1"));
}

TEST(RecognitionV3Test, ATunnelWithoutServiceIdsShowsVersion1AtMost) {
  VersionSide s(true, 3, {""});
  s.tunnel.local_opened(31, 0);
  s.take(MessageType::kData, 1'000, "", 0, "x");
  EXPECT_THAT(s.events.take(),
              ElementsAre("send STREAM_START stream 1000 service '' connection 1", "deliver 31 x"));
  EXPECT_THAT(s.events.notes, ElementsAre(HasSubstr("-y V1")));
}

// ---- no service id, and several services ----

class NamelessTest : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Sides, NamelessTest, testing::Bool(),
                         [](const auto& each) { return each.param ? "Source" : "Destination"; });

TEST_P(NamelessTest, DataIsDroppedAndLoggedOnce) {
  VersionSide side(GetParam(), 3, {"A", "B"});
  side.take(MessageType::kData, 1'000, "", 0, "x");
  side.take(MessageType::kData, 1'000, "", 0, "x");
  EXPECT_THAT(side.events.events, IsEmpty());
  EXPECT_THAT(side.events.notes, ElementsAre(AllOf(HasSubstr("DATA without a service id"), HasSubstr("A, B"),
                                                   HasSubstr("version 1"))));
}

TEST_P(NamelessTest, OtherMessagesAreIgnoredAndLogged) {
  VersionSide side(GetParam(), 3, {"A", "B"});
  for (const MessageType type : {MessageType::kStreamStart, MessageType::kStreamReset,
                                 MessageType::kConnectionStart, MessageType::kConnectionReset}) {
    side.take(type, 7);
    ASSERT_FALSE(side.events.notes.empty());
    EXPECT_THAT(side.events.notes.back(), AllOf(HasSubstr(to_string(type)), HasSubstr("one service")));
  }
  EXPECT_THAT(side.events.events, IsEmpty());
  EXPECT_THAT(side.events.notes, testing::SizeIs(4));
}

// ---- a destination ----

TEST(OlderDestinationTest, AnswersWithNothingNewerThanItsSubprotocol) {
  VersionSide two(false, 2);
  two.take(MessageType::kStreamStart, 7, "A", 1);
  EXPECT_EQ(two.tunnel.route(1)->service_id, "A");
  EXPECT_EQ(two.tunnel.route(1)->connection_id, 0U);
  two.tunnel.local_closed(1);
  EXPECT_THAT(two.events.take(),
              ElementsAre("open 1 service 0", "send STREAM_RESET stream 7 service 'A' connection 0"));
  VersionSide one(false, 1);
  one.take(MessageType::kStreamStart, 7, "A", 1);
  EXPECT_EQ(one.tunnel.route(1)->service_id, "");
  one.tunnel.local_closed(1);
  EXPECT_THAT(one.events.take(),
              ElementsAre("open 1 service 0", "send STREAM_RESET stream 7 service '' connection 0"));
}

TEST(OlderDestinationTest, AConnectionStartInAStreamWithoutIdsIsIgnored) {
  // The source could not tell the answers of two connections apart.
  VersionSide d(false, 3);
  d.take(MessageType::kStreamStart, 7, "A");
  d.events.take();
  d.take(MessageType::kConnectionStart, 7, "A", 2);
  d.take(MessageType::kConnectionStart, 7, "A", 1);
  EXPECT_THAT(d.events.take(), IsEmpty());
  EXPECT_THAT(d.events.notes, testing::SizeIs(2));
  EXPECT_THAT(d.events.notes, testing::Each(HasSubstr("without connection ids")));
  d.take(MessageType::kData, 7, "A", 2, "of no connection");
  d.take(MessageType::kData, 7, "A", 0, "on");
  EXPECT_THAT(d.events.take(), ElementsAre("deliver 1 on"));
}

TEST(OlderDestinationTest, AConnectionStartOfAnotherStreamIsRefusedInItsOwnFormat) {
  VersionSide d(false, 3);
  d.take(MessageType::kStreamStart, 7);
  d.events.take();
  d.take(MessageType::kConnectionStart, 8, "A", 2);
  EXPECT_THAT(d.events.take(), ElementsAre("send CONNECTION_RESET stream 8 service 'A' connection 2"));
  VersionSide two(false, 2);
  two.take(MessageType::kStreamStart, 7, "A");
  two.events.take();
  two.take(MessageType::kConnectionStart, 8, "A", 2);
  EXPECT_THAT(two.events.take(), ElementsAre("send STREAM_RESET stream 8 service 'A' connection 0"));
}

TEST(OlderDestinationTest, AReplacedStreamIsFinishedBeforeTheNextOpens) {
  VersionSide d(false, 3);
  d.take(MessageType::kStreamStart, 7);
  d.take(MessageType::kData, 7, "", 0, "before");
  d.take(MessageType::kStreamStart, 8);
  d.take(MessageType::kData, 7, "", 0, "late");
  d.take(MessageType::kData, 8, "", 0, "after");
  EXPECT_THAT(d.events.take(), ElementsAre("open 1 service 0", "deliver 1 before", "finish 1",
                                           "open 2 service 0", "deliver 2 after"));
  EXPECT_THAT(d.events.notes, Not(testing::Contains(HasSubstr("ignored"))));
}

}  // namespace
}  // namespace localproxy::net
