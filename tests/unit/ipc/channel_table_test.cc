// What a channel accepts: each message of the table, between all ends, in each state, with each number of
// descriptors and around each length limit.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ipc/channel.h"
#include "tests/unit/ipc/raw_socket.h"

namespace localproxy::ipc {
namespace {

using test::datagram;
using test::open_descriptors;
using test::RawPeer;
using test::send_raw;
using testing::HasSubstr;

constexpr Role kRoles[] = {Role::kMonitor, Role::kNet, Role::kBridge, Role::kResolve, Role::kLaunch};
constexpr State kStates[] = {State::kStart, State::kReady,   State::kNegotiating,
                             State::kUp,    State::kServing, State::kStopping};

bool has(unsigned roles, Role role) {
  return (roles >> static_cast<unsigned>(role) & 1U) != 0;
}
bool has(unsigned states, State state) {
  return (states & static_cast<unsigned>(state)) != 0;
}

Role first_of(unsigned roles) {
  for (const Role role : kRoles) {
    if (has(roles, role)) return role;
  }
  return Role::kMonitor;
}
State first_state(const Spec& spec) {
  for (const State state : kStates) {
    if (has(spec.states, state)) return state;
  }
  return State::kStart;
}

// A pair of ends, and a state, for which the table allows spec.
struct Allowed : RawPeer {
  explicit Allowed(const Spec& spec) : RawPeer(first_of(spec.to), first_of(spec.from)) {
    channel.set_state(first_state(spec));
  }
};

bool takes_fds(Role role) {
  return std::ranges::any_of(table(),
                             [role](const Spec& spec) { return spec.fds > 0 && has(spec.to, role); });
}

std::vector<int> copies(size_t count, int fd) {
  return std::vector<int>(count, fd);
}

// Whether the channel accepted the message that was just sent; if not, its violation must contain `why`.
void expect_violation(Channel& channel, const std::string& why) {
  const auto received = channel.receive();
  ASSERT_FALSE(received.ok());
  EXPECT_TRUE(channel.is_violation());
  EXPECT_THAT(received.error().text(), HasSubstr("protocol violation by the"));
  EXPECT_THAT(received.error().text(), HasSubstr(why));
}

class ChannelTableTest : public testing::TestWithParam<size_t> {
 protected:
  const Spec& spec_ = table()[GetParam()];
  UniqueFd file_{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
};

INSTANTIATE_TEST_SUITE_P(Messages, ChannelTableTest, testing::Range<size_t>(0, table().size()),
                         [](const auto& each) {
                           std::string name;
                           for (const char c : table()[each.param].name) {
                             if (c != '_') name += c;
                           }
                           return name;
                         });

TEST_P(ChannelTableTest, IsTakenExactlyInItsDirectionAndStates) {
  size_t taken = 0;
  for (const Role self : kRoles) {
    for (const Role peer : kRoles) {
      for (const State state : kStates) {
        SCOPED_TRACE(std::string(to_string(peer)) + " to " + std::string(to_string(self)) + " in state " +
                     std::string(to_string(state)));
        RawPeer pair(self, peer);
        pair.channel.set_state(state);
        send_raw(pair.raw.get(), datagram(GetParam() + 1, spec_.least), copies(spec_.fds, file_.get()));
        const bool direction = has(spec_.from, peer) && has(spec_.to, self);
        if (!direction) {
          expect_violation(pair.channel, "not for this direction");
        } else if (!has(spec_.states, state)) {
          expect_violation(pair.channel, "not allowed now");
        } else {
          auto received = pair.channel.receive();
          ASSERT_TRUE(received.ok()) << received.error().text();
          ASSERT_TRUE(received->has_value());
          EXPECT_EQ((*received)->spec, &spec_);
          EXPECT_EQ((*received)->fields.size(), spec_.least);
          EXPECT_EQ((*received)->fds.first.valid(), spec_.fds >= 1);
          EXPECT_EQ((*received)->fds.second.valid(), spec_.fds == 2);
          EXPECT_FALSE(pair.channel.is_violation());
          ++taken;
        }
      }
    }
  }
  EXPECT_GT(taken, 0U);
}

TEST_P(ChannelTableTest, OtherNumbersOfDescriptorsAreRefusedAndClosed) {
  // Also more than the channel has room for.
  for (const size_t count : {0U, 1U, 2U, 3U, 4U, 5U, 9U}) {
    if (count == spec_.fds) continue;
    SCOPED_TRACE(count);
    Allowed pair(spec_);
    const size_t before = open_descriptors();
    send_raw(pair.raw.get(), datagram(GetParam() + 1, spec_.least), copies(count, file_.get()));
    if (takes_fds(first_of(spec_.to))) {
      expect_violation(pair.channel, count <= 4 ? std::to_string(count) + " descriptors" : "cut off");
    } else {
      // A role that takes no descriptors has no buffer to receive them.
      auto received = pair.channel.receive();
      ASSERT_TRUE(received.ok()) << received.error().text();
      EXPECT_FALSE((*received)->fds.first.valid());
    }
    EXPECT_EQ(open_descriptors(), before);
  }
}

TEST_P(ChannelTableTest, LengthsOutsideItsBoundsAreRefused) {
  std::vector<size_t> wrong = {spec_.most + 1};
  if (spec_.least > 0) wrong.push_back(spec_.least - 1);
  if (spec_.least > 1) wrong.push_back(0);
  for (const size_t length : wrong) {
    SCOPED_TRACE(length);
    Allowed pair(spec_);
    send_raw(pair.raw.get(), datagram(GetParam() + 1, length), copies(spec_.fds, file_.get()));
    expect_violation(pair.channel, std::string(spec_.name) + " of " + std::to_string(length) + " bytes");
  }
}

TEST_P(ChannelTableTest, ItsLongestFormIsTaken) {
  Allowed pair(spec_);
  send_raw(pair.raw.get(), datagram(GetParam() + 1, spec_.most), copies(spec_.fds, file_.get()));
  const auto received = pair.channel.receive();
  ASSERT_TRUE(received.ok()) << received.error().text();
  EXPECT_EQ((*received)->fields.size(), spec_.most);
}

TEST_P(ChannelTableTest, DescriptorsOfRefusedMessagesAreClosed) {
  Allowed pair(spec_);
  State wrong = State::kStart;
  for (const State state : kStates) {
    if (!has(spec_.states, state)) wrong = state;
  }
  if (has(spec_.states, wrong)) return;  // LOG is always allowed
  pair.channel.set_state(wrong);
  const size_t before = open_descriptors();
  send_raw(pair.raw.get(), datagram(GetParam() + 1, spec_.least), copies(2, file_.get()));
  expect_violation(pair.channel, "not allowed now");
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace localproxy::ipc
