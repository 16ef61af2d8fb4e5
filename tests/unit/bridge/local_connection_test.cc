#include "bridge/local_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "base/limits.h"
#include "tests/unit/base/no_descriptors.h"
#include "tests/unit/bridge/pattern.h"
#include "tests/unit/bridge/refusals.h"
#include "tests/unit/bridge/tcp_pair.h"
#include "tests/unit/ipc/run_loop.h"

namespace localproxy::bridge {
namespace {

using localproxy::test::run_ready;
using localproxy::test::run_until;

// How reading from a socket ended.
enum class End { kNone, kFin, kReset };

// A client's TCP connection, the connection under test, and net's ends of the channel.
class ConnectionTest : public testing::Test, public LocalConnectionEvents {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    auto channel = pipes_.make();
    ASSERT_TRUE(channel.ok());
    net_ = std::move(channel->net);
    connection_ =
        std::make_unique<LocalConnection>(loop_, pool_, pipes_, 5, 2, std::move(channel->bridge), *this);
    FdPair tcp = test::tcp_pair();
    client_ = std::move(tcp.first);
    socket_ = std::move(tcp.second);
  }
  void connect() {
    connection_->connect({std::move(socket_), UniqueFd(), "a client"}, idle_timeout_, half_close_linger_);
  }

  void on_channel_end() override {
    ++channel_ends_;
    if (at_channel_end_) at_channel_end_();
  }
  void on_idle(LocalConnection&) override { ++idle_; }
  void on_shortage(const std::string& why) override {
    ++shortages_;
    shortage_ = why;
  }
  void on_closed(LocalConnection& connection) override {
    EXPECT_EQ(&connection, connection_.get());
    EXPECT_TRUE(connection.closed());
    ++closed_;
    destroy_.start();
  }

  // Reads everything that is available now.
  static End read_more(int fd, std::string& got) {
    char buffer[65'536];
    for (;;) {
      const ssize_t size = ::read(fd, buffer, sizeof buffer);
      if (size == 0) return End::kFin;
      if (size < 0) return errno == ECONNRESET ? End::kReset : End::kNone;
      got.append(buffer, static_cast<size_t>(size));
    }
  }
  // Runs the loop until the client has seen the end of the connection.
  End wait_for_client_end() {
    End end = End::kNone;
    while (end == End::kNone && !late()) {
      run_ready(loop_);
      end = read_more(client_.get(), client_got_);
    }
    return end;
  }
  bool late() {
    EXPECT_LT(++turns_, 50'000) << "it does not happen";
    // Gives the kernel a moment: waits briefly for the client's socket.
    pollfd wait{client_.get(), POLLIN, 0};
    ::poll(&wait, 1, 1);
    return turns_ >= 50'000;
  }
  // net closes the channel, or has died.
  void end_net() { net_ = FdPair(); }
  // As much as a channel may have to hold while the connection takes nothing.
  void enlarge_channel() { ASSERT_TRUE(resize_pipe(net_.second.get(), limits::kBulkPipe)); }
  static void write(int fd, const std::string& text) {
    ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  std::chrono::seconds idle_timeout_{0};
  std::chrono::seconds half_close_linger_{0};
  int idle_ = 0;
  int shortages_ = 0;
  std::string shortage_;
  event::Loop loop_;
  event::Task destroy_{loop_, [this] { connection_.reset(); }};
  PipePool pool_;
  Pipes pipes_;
  std::unique_ptr<LocalConnection> connection_;
  FdPair net_;
  UniqueFd client_, socket_;
  int channel_ends_ = 0;
  int closed_ = 0;
  int turns_ = 0;
  std::function<void()> at_channel_end_;
  std::string client_got_;
};

// ---- a client that shuts down its sending side and still expects an answer ----

class HalfCloseTest : public ConnectionTest {
 protected:
  void SetUp() override {
    ConnectionTest::SetUp();
    half_close_linger_ = std::chrono::hours(1);
    connect();
  }
  // What net reads now, and whether it has reached the end.
  End from_net() {
    run_ready(loop_);
    return read_more(net_.first.get(), net_got_);
  }
  std::string net_got_;
};

TEST_F(HalfCloseTest, WaitsForTheAnswerToTheLastBytes) {
  write(client_.get(), "question");
  ASSERT_EQ(::shutdown(client_.get(), SHUT_WR), 0);
  EXPECT_EQ(from_net(), End::kNone);
  EXPECT_EQ(net_got_, "question");
  write(net_.second.get(), "answer");
  EXPECT_EQ(from_net(), End::kNone) << "more of it may come";
  EXPECT_EQ(read_more(client_.get(), client_got_), End::kNone);
  EXPECT_EQ(client_got_, "answer");
  // The peer's end ends the answer.
  connection_->finish();
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kFin);
}

TEST_F(HalfCloseTest, AClientWithItsAnswerIsDone) {
  write(client_.get(), "question");
  EXPECT_EQ(from_net(), End::kNone);
  write(net_.second.get(), "answer");
  EXPECT_EQ(from_net(), End::kNone);
  ASSERT_EQ(::shutdown(client_.get(), SHUT_WR), 0);
  EXPECT_EQ(from_net(), End::kFin);
}

TEST_F(HalfCloseTest, AClientThatSentNothingIsDone) {
  write(net_.second.get(), "welcome");
  EXPECT_EQ(from_net(), End::kNone);
  ASSERT_EQ(::shutdown(client_.get(), SHUT_WR), 0);
  EXPECT_EQ(from_net(), End::kFin);
}

TEST_F(HalfCloseTest, AResetIsNoHalfClose) {
  write(client_.get(), "question");
  EXPECT_EQ(from_net(), End::kNone);
  const struct linger at_once { 1, 0 };
  ASSERT_EQ(::setsockopt(client_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  client_.reset();
  EXPECT_EQ(from_net(), End::kFin);
}

TEST_F(HalfCloseTest, TheEndOfTheRunDoesNotWait) {
  write(client_.get(), "question");
  ASSERT_EQ(::shutdown(client_.get(), SHUT_WR), 0);
  EXPECT_EQ(from_net(), End::kNone);
  connection_->drain();
  EXPECT_EQ(from_net(), End::kFin);
  EXPECT_FALSE(connection_->cut());
}

TEST_F(ConnectionTest, TheWaitForAnAnswerEnds) {
  half_close_linger_ = std::chrono::seconds(1);
  connect();
  write(client_.get(), "question");
  ASSERT_EQ(::shutdown(client_.get(), SHUT_WR), 0);
  std::string got;
  End end = End::kNone;
  while (end == End::kNone && !late()) {
    run_ready(loop_);
    end = read_more(net_.first.get(), got);
  }
  EXPECT_EQ(end, End::kFin);
  EXPECT_EQ(got, "question");
}

TEST_F(ConnectionTest, KnowsWhoItIs) {
  EXPECT_EQ(connection_->number(), 5U);
  EXPECT_EQ(connection_->service(), 2U);
  EXPECT_FALSE(connection_->connected());
  connect();
  EXPECT_TRUE(connection_->connected());
  EXPECT_FALSE(connection_->closed());
  EXPECT_EQ(connection_->name(), "a client");
}

TEST_F(ConnectionTest, MovesBytesBothWays) {
  connect();
  write(client_.get(), "to net");
  write(net_.second.get(), "to the client");
  std::string net_got;
  ASSERT_TRUE(run_until(loop_, [&] {
    read_more(net_.first.get(), net_got);
    read_more(client_.get(), client_got_);
    return net_got == "to net" && client_got_ == "to the client";
  }));
  EXPECT_EQ(connection_->bytes_out(), 6U);
  EXPECT_EQ(connection_->bytes_in(), 13U);
}

TEST_F(ConnectionTest, MovesManyBytesBothWaysAtOnce) {
  connect();
  const std::string sent = test::pattern(size_t{4} << 20);
  std::string net_got;
  size_t from_client = 0, from_net = 0;
  const auto write_more = [&](int fd, size_t& written) {
    const ssize_t size = ::write(fd, sent.data() + written, sent.size() - written);
    if (size > 0) written += static_cast<size_t>(size);
  };
  while ((net_got.size() < sent.size() || client_got_.size() < sent.size()) && !late()) {
    write_more(client_.get(), from_client);
    write_more(net_.second.get(), from_net);
    run_ready(loop_);
    read_more(net_.first.get(), net_got);
    read_more(client_.get(), client_got_);
  }
  EXPECT_TRUE(net_got == sent);
  EXPECT_TRUE(client_got_ == sent);
  EXPECT_EQ(connection_->bytes_out(), sent.size());
  EXPECT_EQ(connection_->bytes_in(), sent.size());
}

TEST_F(ConnectionTest, BytesFromNetDuringTheDialArrive) {
  write(net_.second.get(), "early");
  run_ready(loop_);
  connect();
  ASSERT_TRUE(run_until(loop_, [&] {
    read_more(client_.get(), client_got_);
    return client_got_ == "early";
  }));
}

TEST_F(ConnectionTest, TheClientsEndReachesNetAfterItsBytesAndTheOtherWayStaysOpen) {
  connect();
  write(client_.get(), "request");
  ASSERT_EQ(::shutdown(client_.get(), SHUT_WR), 0);
  std::string net_got;
  ASSERT_TRUE(run_until(loop_, [&] { return read_more(net_.first.get(), net_got) == End::kFin; }));
  EXPECT_EQ(net_got, "request");
  EXPECT_EQ(closed_, 0);
  write(net_.second.get(), "answer");
  ASSERT_TRUE(run_until(loop_, [&] {
    read_more(client_.get(), client_got_);
    return client_got_ == "answer";
  }));
}

TEST_F(ConnectionTest, AnAnnouncedEndIsAFin) {
  connect();
  write(net_.second.get(), "all of it");
  connection_->finish();
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kFin);
  EXPECT_EQ(client_got_, "all of it");
  client_.reset();
  ASSERT_TRUE(run_until(loop_, [this] { return closed_ > 0; }));
  EXPECT_EQ(closed_, 1);
}

TEST_F(ConnectionTest, TheAnnouncementMayBeReadWhenTheEndIsSeen) {
  connect();
  at_channel_end_ = [this] { connection_->finish(); };
  write(net_.second.get(), "all of it");
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kFin);
  EXPECT_EQ(client_got_, "all of it");
  EXPECT_EQ(channel_ends_, 1);
}

TEST_F(ConnectionTest, AnUnannouncedEndIsAReset) {
  connect();
  write(net_.second.get(), "some of it");
  ASSERT_TRUE(run_until(loop_, [&] {
    read_more(client_.get(), client_got_);
    return client_got_ == "some of it";
  }));
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kReset);
  EXPECT_EQ(channel_ends_, 1);
  EXPECT_EQ(closed_, 1);
}

// When net left bytes unread, the kernel reports ECONNRESET to whoever writes.
TEST_F(ConnectionTest, AnUnannouncedEndIsAResetEvenIfNetLeftBytesUnread) {
  connect();
  write(client_.get(), "to a net that is dying");
  ASSERT_TRUE(run_until(loop_, [this] { return connection_->bytes_out() == 22; }));
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kReset);
}

TEST_F(ConnectionTest, AnAnnouncedEndLosesNothingEvenIfNetLeftBytesUnread) {
  connect();
  write(client_.get(), "an upload that net does not want");
  ASSERT_TRUE(run_until(loop_, [this] { return connection_->bytes_out() == 32; }));
  // More than the client's window takes while it does not read.
  const std::string sent = test::pattern(180'000);
  enlarge_channel();
  write(net_.second.get(), sent);
  connection_->finish();
  end_net();
  // The client cannot know about the end and continues to send.
  for (int i = 0; i < 3; ++i) {
    write(client_.get(), "more of it");
    run_ready(loop_);
  }
  EXPECT_EQ(wait_for_client_end(), End::kFin);
  EXPECT_EQ(client_got_.size(), sent.size());
  EXPECT_TRUE(client_got_ == sent);
}

TEST_F(ConnectionTest, LingeringLosesNothingEvenIfTheClientStillSends) {
  connect();
  const std::string sent = test::pattern(100'000);
  enlarge_channel();
  write(net_.second.get(), sent);
  connection_->finish();
  end_net();
  // Unread when the tunnel's side ends: closing now would reset the client.
  write(client_.get(), test::pattern(50'000));
  EXPECT_EQ(wait_for_client_end(), End::kFin);
  EXPECT_TRUE(client_got_ == sent);
  write(client_.get(), test::pattern(50'000));
  run_ready(loop_);
  EXPECT_EQ(closed_, 0) << "waits for the client's end";
  client_.reset();
  ASSERT_TRUE(run_until(loop_, [this] { return closed_ > 0; }));
}

TEST_F(ConnectionTest, AClientThatIgnoresTheEndIsClosed) {
  connect();
  write(net_.second.get(), "all");
  connection_->finish();
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kFin);
  size_t sent = 0;
  const std::string more = test::pattern(10'000);
  while (closed_ == 0 && !late()) {
    const ssize_t size = ::write(client_.get(), more.data(), more.size());
    if (size > 0) sent += static_cast<size_t>(size);
    run_ready(loop_);
  }
  EXPECT_EQ(closed_, 1);
  EXPECT_GT(sent, limits::kLingerInput);
  EXPECT_LT(sent, limits::kLingerInput + 2'000'000);
}

TEST_F(ConnectionTest, ASlowClientGetsEverythingThatWasFlushed) {
  connect();
  const std::string sent = test::pattern(size_t{2} << 20);
  size_t written = 0;
  while (written < sent.size() && !late()) {
    const ssize_t size = ::write(net_.second.get(), sent.data() + written, sent.size() - written);
    if (size > 0) written += static_cast<size_t>(size);
    run_ready(loop_);
    char buffer[20'000];
    const ssize_t got = ::read(client_.get(), buffer, sizeof buffer);
    if (got > 0) client_got_.append(buffer, static_cast<size_t>(got));
  }
  connection_->finish();
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kFin);
  EXPECT_TRUE(client_got_ == sent);
}

TEST_F(ConnectionTest, ResetIsAResetAtOnce) {
  connect();
  connection_->reset(Ending::kReset);
  EXPECT_EQ(closed_, 1);
  EXPECT_EQ(wait_for_client_end(), End::kReset);
  EXPECT_EQ(closed_, 1);
}

TEST_F(ConnectionTest, ResetWhileItIsDialledClosesTheChannel) {
  connection_->reset(Ending::kReset);
  EXPECT_EQ(closed_, 1);
  run_ready(loop_);
  std::string got;
  EXPECT_EQ(read_more(net_.first.get(), got), End::kFin);
}

TEST_F(ConnectionTest, AClientThatResetsEndsTheChannel) {
  connect();
  const linger at_once{1, 0};
  ASSERT_EQ(::setsockopt(client_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  client_.reset();
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] { return read_more(net_.first.get(), got) == End::kFin; }));
  connection_->finish();
  end_net();
  ASSERT_TRUE(run_until(loop_, [this] { return closed_ > 0; }));
}

TEST_F(ConnectionTest, BytesFromNetToAGoneClientAreBroken) {
  connect();
  const linger at_once{1, 0};
  ASSERT_EQ(::setsockopt(client_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  client_.reset();
  write(net_.second.get(), "to nobody");
  ASSERT_TRUE(run_until(loop_, [this] { return closed_ > 0; }));
  EXPECT_EQ(closed_, 1);
}

TEST_F(ConnectionTest, DrainingMovesWhatHasArrivedAndThenTheEnd) {
  connect();
  const std::string sent = test::pattern(100'000);
  write(client_.get(), sent);
  connection_->drain();
  std::string got;
  End end = End::kNone;
  while (end == End::kNone && !late()) {
    run_ready(loop_);
    end = read_more(net_.first.get(), got);
  }
  EXPECT_EQ(end, End::kFin);
  EXPECT_TRUE(got == sent);
  // The other way stays open until net ends it.
  write(net_.second.get(), "answer");
  ASSERT_TRUE(run_until(loop_, [&] {
    read_more(client_.get(), client_got_);
    return client_got_ == "answer";
  }));
}

TEST_F(ConnectionTest, DrainingAnIdleConnectionEndsIt) {
  connect();
  connection_->drain();
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] { return read_more(net_.first.get(), got) == End::kFin; }));
  EXPECT_EQ(got, "");
}

TEST_F(ConnectionTest, DrainingWaitsForBytesInFlight) {
  connect();
  connection_->drain();
  // As if the client's host had been slow.
  event::Timer late(loop_, [&] {
    write(client_.get(), "late");
    client_.reset();
  });
  late.start(limits::kDrainQuiet / 2);
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] { return read_more(net_.first.get(), got) == End::kFin; }));
  EXPECT_EQ(got, "late");
  EXPECT_FALSE(connection_->cut());
}

TEST_F(ConnectionTest, DrainingDuringTheDialEndsItAfterwards) {
  connection_->drain();
  std::string got;
  EXPECT_EQ(read_more(net_.first.get(), got), End::kNone);
  connect();
  ASSERT_TRUE(run_until(loop_, [&] { return read_more(net_.first.get(), got) == End::kFin; }));
}

// ---- idle connections ----

TEST_F(ConnectionTest, AnIdleConnectionEndsAsIfItsLocalSideHadEnded) {
  idle_timeout_ = std::chrono::seconds(1);
  connect();
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] { return read_more(net_.first.get(), got) == End::kFin; }));
  EXPECT_EQ(idle_, 1);
  EXPECT_FALSE(connection_->closed());
  // What the peer answers still arrives, and its end is orderly.
  write(net_.second.get(), "bye");
  connection_->finish();
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kFin);
  EXPECT_EQ(client_got_, "bye");
}

TEST_F(ConnectionTest, BytesPreventTheIdleTimeout) {
  idle_timeout_ = std::chrono::seconds(1);
  connect();
  std::string net_got;
  size_t sent = 0;
  // Longer than the idle timeout.
  event::Timer longer(loop_, [&] { sent = 1'000'000; });
  longer.start(std::chrono::milliseconds(3'000));
  ASSERT_TRUE(run_until(loop_, [&] {
    if (net_got.size() == sent) {
      write(client_.get(), ".");
      ++sent;
    }
    read_more(net_.first.get(), net_got);
    return sent >= 1'000'000;
  }));
  EXPECT_EQ(idle_, 0);
}

// ---- two descriptors instead of a socket ----

class TwoPipesTest : public ConnectionTest {
 protected:
  void SetUp() override {
    ConnectionTest::SetUp();
    auto in = make_pipe();
    auto out = make_pipe();
    ASSERT_TRUE(in.ok() && out.ok());
    typed_ = std::move(in->second);
    shown_ = std::move(out->first);
    connection_->connect({std::move(in->first), std::move(out->second), "standard input and output"}, {});
  }
  UniqueFd typed_, shown_;
};

TEST_F(TwoPipesTest, MoveBytesBothWays) {
  const std::string sent = test::pattern(40'000);
  write(typed_.get(), sent);
  enlarge_channel();
  write(net_.second.get(), sent);
  std::string net_got, shown;
  ASSERT_TRUE(run_until(loop_, [&] {
    read_more(net_.first.get(), net_got);
    read_more(shown_.get(), shown);
    return net_got.size() == sent.size() && shown.size() == sent.size();
  }));
  EXPECT_TRUE(net_got == sent && shown == sent);
}

TEST_F(TwoPipesTest, TheEndOfTheInputIsTheEndOfTheConnection) {
  write(typed_.get(), "last");
  typed_.reset();
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] { return read_more(net_.first.get(), got) == End::kFin; }));
  EXPECT_EQ(got, "last");
}

TEST_F(TwoPipesTest, WrittenBytesStayAfterTheEnd) {
  write(net_.second.get(), "the end");
  connection_->finish();
  end_net();
  ASSERT_TRUE(run_until(loop_, [&] { return closed_ == 1; }));
  std::string shown;
  EXPECT_EQ(read_more(shown_.get(), shown), End::kFin);
  EXPECT_EQ(shown, "the end");
}

TEST_F(TwoPipesTest, ALostTunnelClosesBoth) {
  end_net();
  ASSERT_TRUE(run_until(loop_, [&] { return closed_ == 1; }));
  std::string shown;
  EXPECT_EQ(read_more(shown_.get(), shown), End::kFin);
  EXPECT_EQ(::write(typed_.get(), "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
}

// ---- cut connections ----

TEST_F(ConnectionTest, ClosesOnceWhenNetFinishesAndResetsItDuringADrain) {
  at_channel_end_ = [this] {
    connection_->finish();
    connection_->reset(Ending::kReset);
  };
  connect();
  connection_->drain();
  run_ready(loop_);
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kReset);
  EXPECT_EQ(closed_, 1);
}

TEST_F(ConnectionTest, ADrainedClientThatHasNotEndedIsResetAfterItHasEverything) {
  connect();
  const std::string sent = test::pattern(180'000);
  enlarge_channel();
  write(net_.second.get(), sent);
  connection_->drain();
  connection_->finish();
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kReset);
  EXPECT_TRUE(client_got_ == sent);
  EXPECT_EQ(closed_, 1);
}

TEST_F(ConnectionTest, ADrainedClientThatHasEndedIsClosedInOrder) {
  connect();
  write(client_.get(), "all");
  ASSERT_EQ(::shutdown(client_.get(), SHUT_WR), 0);
  connection_->drain();
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] { return read_more(net_.first.get(), got) == End::kFin; }));
  write(net_.second.get(), "answer");
  connection_->finish();
  end_net();
  EXPECT_EQ(wait_for_client_end(), End::kFin);
  EXPECT_EQ(client_got_, "answer");
}

TEST_F(ConnectionTest, AnEndBeforeTheClientLeavesNothingToWaitFor) {
  connection_->finish();
  EXPECT_EQ(closed_, 1);
}

TEST_F(ConnectionTest, WithoutMemoryBytesWaitBothWays) {
  connect();
  test::splice_error = ENOMEM;
  write(client_.get(), "to net");
  write(net_.second.get(), "to the client");
  run_ready(loop_);
  EXPECT_GE(shortages_, 1);
  EXPECT_LE(shortages_, 4) << "it waits, and does not ask again and again";
  EXPECT_NE(shortage_.find("Cannot allocate memory"), std::string::npos);
  EXPECT_EQ(closed_, 0);
  test::splice_error = 0;
  std::string net_got;
  ASSERT_TRUE(run_until(loop_, [&] {
    read_more(net_.first.get(), net_got);
    read_more(client_.get(), client_got_);
    return net_got == "to net" && client_got_ == "to the client";
  }));
}

TEST_F(ConnectionTest, WithoutAPipeBytesWaitOnTheirWayIntoTheTunnel) {
  connect();
  {
    const localproxy::test::NoDescriptors none;
    write(client_.get(), "to net");
    write(net_.second.get(), "to the client");
    run_ready(loop_);
    EXPECT_GE(shortages_, 1);
    EXPECT_LE(shortages_, 4) << "it waits, and does not ask again and again";
    EXPECT_NE(shortage_.find("Too many open files"), std::string::npos);
    EXPECT_EQ(closed_, 0);
    read_more(client_.get(), client_got_);
    EXPECT_EQ(client_got_, "to the client") << "the channel is its pipe";
  }
  std::string net_got;
  ASSERT_TRUE(run_until(loop_, [&] {
    read_more(net_.first.get(), net_got);
    return net_got == "to net";
  }));
}

// Each side says that it is ready, and yet nothing moves.
TEST_F(ConnectionTest, DoesNotSpinWhenNothingMoves) {
  connect();
  test::splice_error = EAGAIN;
  test::splices = 0;
  write(net_.second.get(), "to the client");
  event::Timer some_time(loop_, [this] { loop_.stop(); });
  some_time.start(2 * limits::kShortageRetry + limits::kShortageRetry / 2);
  loop_.run();
  EXPECT_LE(test::splices, 20U);
  EXPECT_EQ(shortages_, 0);
  test::splice_error = 0;
  ASSERT_TRUE(run_until(loop_, [&] {
    read_more(client_.get(), client_got_);
    return client_got_ == "to the client";
  }));
}

TEST_F(ConnectionTest, NetsLastBytesNeedNoDescriptor) {
  write(net_.second.get(), "last words");
  {
    const localproxy::test::NoDescriptors none;
    connection_->finish();
    EXPECT_EQ(closed_, 0);
  }
  end_net();
  connect();
  EXPECT_EQ(wait_for_client_end(), End::kFin);
  EXPECT_EQ(client_got_, "last words");
  EXPECT_EQ(shortages_, 0);
}

TEST_F(ConnectionTest, ABusyPipeIsLargeUntilItRests) {
  connect();
  const auto room = [this] { return ::fcntl(net_.second.get(), F_GETPIPE_SZ); };
  EXPECT_EQ(room(), static_cast<int>(limits::kPipe));
  const std::string sent = test::pattern(size_t{1} << 20);
  size_t written = 0;
  while (client_got_.size() < sent.size() && !late()) {
    const ssize_t size = ::write(net_.second.get(), sent.data() + written, sent.size() - written);
    if (size > 0) written += static_cast<size_t>(size);
    run_ready(loop_);
    read_more(client_.get(), client_got_);
  }
  EXPECT_TRUE(client_got_ == sent);
  EXPECT_EQ(room(), static_cast<int>(limits::kBulkPipe));
  ASSERT_TRUE(run_until(loop_, [&] { return room() == static_cast<int>(limits::kIdlePipe); }));
}

TEST_F(ConnectionTest, NetsLastBytesWaitForTheClient) {
  const std::string sent = test::pattern(100'000);
  enlarge_channel();
  write(net_.second.get(), sent);
  connection_->finish();
  end_net();
  run_ready(loop_);
  EXPECT_EQ(closed_, 0);
  connect();
  EXPECT_EQ(wait_for_client_end(), End::kFin);
  EXPECT_TRUE(client_got_ == sent);
}

}  // namespace
}  // namespace localproxy::bridge
