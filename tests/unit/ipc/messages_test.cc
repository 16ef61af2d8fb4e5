#include "ipc/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/ipc/all_messages.h"

namespace localproxy::ipc {
namespace {

using namespace std::string_view_literals;
using test::encode;
using test::filled;
using test::for_all_messages;
using test::same_message;
using test::Size;

template <typename M>
std::string name_of(const M&) {
  return std::string(find_spec(static_cast<uint16_t>(M::kType))->name);
}

TEST(MessagesTest, TheListInThisTestMatchesTheTable) {
  std::vector<Type> types;
  for_all_messages([&]<typename M>(const M&) { types.push_back(M::kType); });
  std::vector<Type> rows;
  for (const Spec& spec : table())
    rows.push_back(spec.type);
  EXPECT_EQ(types, rows);
}

TEST(MessagesTest, EveryMessageSurvivesEncodingAndDecoding) {
  for (const Size size : {Size::kLeast, Size::kSome, Size::kMost}) {
    for_all_messages([size]<typename M>(const M& kind) {
      SCOPED_TRACE(name_of(kind));
      M sent = filled<M>(size);
      const std::string bytes = encode(sent);
      M got;
      ASSERT_TRUE(decode_fields(as_bytes(bytes), got));
      EXPECT_TRUE(same_message(sent, got));
      EXPECT_EQ(encode(got), bytes);
    });
  }
}

TEST(MessagesTest, SizesAreThoseOfTheTable) {
  size_t most = 0;
  for_all_messages([&most]<typename M>(const M& kind) {
    SCOPED_TRACE(name_of(kind));
    const Spec* spec = find_spec(static_cast<uint16_t>(M::kType));
    EXPECT_EQ(encode(filled<M>(Size::kLeast)).size(), spec->least);
    EXPECT_EQ(encode(filled<M>(Size::kMost)).size(), spec->most);
    most = std::max(most, spec->most);
  });
  EXPECT_EQ(max_message_size(), most + 2);
}

TEST(MessagesTest, NoTruncationIsDecoded) {
  for_all_messages([]<typename M>(const M& kind) {
    SCOPED_TRACE(name_of(kind));
    const std::string bytes = encode(filled<M>(Size::kSome));
    for (size_t length = 0; length < bytes.size(); ++length) {
      M got;
      EXPECT_FALSE(decode_fields(as_bytes(std::string_view(bytes).substr(0, length)), got)) << length;
    }
    const std::string longest = encode(filled<M>(Size::kMost));
    for (size_t cut = 1; cut <= std::min<size_t>(64, longest.size()); ++cut) {
      M got;
      EXPECT_FALSE(decode_fields(as_bytes(std::string_view(longest).substr(0, longest.size() - cut)), got))
          << cut;
    }
  });
}

TEST(MessagesTest, NoExtensionIsDecoded) {
  for (const Size size : {Size::kLeast, Size::kSome, Size::kMost}) {
    for_all_messages([size]<typename M>(const M& kind) {
      SCOPED_TRACE(name_of(kind));
      for (const char extra : {'\0', '\1', '\xff'}) {
        M got;
        EXPECT_FALSE(decode_fields(as_bytes(encode(filled<M>(size)) + extra), got));
      }
    });
  }
}

// ---- texts and lists that are one too long ----

void append_number(std::string& out, size_t number) {
  put(out, static_cast<uint16_t>(number));
}

// Appends a field that is too large for its type. False: no value is too large for it.
template <typename T>
bool put_too_large(std::string& out, const T& value, bool) {
  put(out, value);
  return false;
}
bool put_too_large(std::string& out, const bool&, bool second) {
  out += second ? '\xff' : '\2';
  return true;
}
template <size_t Most>
bool put_too_large(std::string& out, const Text<Most>&, bool) {
  append_number(out, Most + 1);
  out.append(Most + 1, 'x');
  return true;
}
template <size_t Most>
bool put_too_large(std::string& out, const SecretText<Most>&, bool second) {
  return put_too_large(out, Text<Most>(), second);
}
template <size_t Most, size_t Each>
bool put_too_large(std::string& out, const TextList<Most, Each>&, bool count) {
  append_number(out, count ? Most + 1 : 1);
  for (size_t i = 0; i < (count ? Most + 1 : 1); ++i) {
    append_number(out, count ? 0 : Each + 1);
    if (!count) out.append(Each + 1, 'x');
  }
  return true;
}

// How many fields could be made too large; each of them must be refused.
template <typename M, size_t... I>
size_t refuse_too_large(std::index_sequence<I...>) {
  M message = filled<M>(Size::kSome);
  [[maybe_unused]] const auto fields = M::fields(message);
  size_t tried = 0;
  const auto with_large = [&](size_t large, bool count) {
    std::string bytes;
    bool changed = false;
    [[maybe_unused]] const auto one = [&](size_t index, const auto& field) {
      if (index == large) {
        changed = put_too_large(bytes, field, count);
      } else {
        put(bytes, field);
      }
    };
    (one(I, std::get<I>(fields)), ...);
    M got;
    EXPECT_EQ(decode_fields(as_bytes(bytes), got), !changed) << "field " << large;
    tried += changed ? 1 : 0;
  };
  for (size_t i = 0; i < sizeof...(I); ++i) {
    with_large(i, false);
    with_large(i, true);
  }
  return tried;
}

TEST(MessagesTest, NothingAboveItsBoundIsDecoded) {
  size_t tried = 0;
  for_all_messages([&tried]<typename M>(const M& kind) {
    SCOPED_TRACE(name_of(kind));
    tried += refuse_too_large<M>(std::make_index_sequence<std::tuple_size_v<Fields<M>>>());
  });
  // Each of the 26 texts and lists and each of the 14 bools of the table, twice.
  EXPECT_EQ(tried, 2U * (26U + 14U));
}

TEST(MessagesTest, ALengthBeyondTheEndIsNotDecoded) {
  Lookup got;
  EXPECT_FALSE(decode_fields(as_bytes(std::string_view("\0\3ab", 4)), got));
  EXPECT_TRUE(decode_fields(as_bytes(std::string_view("\0\2ab", 4)), got));
  EXPECT_EQ(got.host.value, "ab");
}

TEST(MessagesTest, DownHasTheClassesOfItsEnumAndNoOthers) {
  std::string bytes = encode(Down{DownReason::kStopped, 1, 2, {"x"sv}});
  for (int number = 0; number < 256; ++number) {
    bytes[0] = static_cast<char>(number);
    Down got;
    const bool known = number <= static_cast<int>(DownReason::kLast);
    EXPECT_EQ(decode_fields(as_bytes(bytes), got), known) << number;
    if (known) {
      EXPECT_EQ(static_cast<int>(got.what), number);
    }
  }
}

TEST(MessagesTest, NumbersAreInNetworkByteOrder) {
  EXPECT_EQ(encode(Dial{0x0102, 0x03040506}), "\1\2\3\4\5\6");
  EXPECT_EQ(encode(Lookup{{"ab"sv}}), std::string_view("\0\2ab", 4));
  EXPECT_EQ(encode(Services{{{"a", ""}}}), std::string_view("\0\2\0\1a\0\0", 7));
}

TEST(MessagesTest, ATextIsVisiblyCutToItsBound) {
  const std::string longer(kMaxHost + 10, 'h');
  EXPECT_EQ(Text<kMaxHost>(longer).value, longer.substr(0, kMaxHost - 3) + "...");
  const std::string longest(kMaxHost, 'h');
  EXPECT_EQ(Text<kMaxHost>(longest).value, longest);
  EXPECT_EQ(Text<kMaxHost>("short"sv).value, "short");
}

TEST(MessagesTest, ABoolIsZeroOrOne) {
  for (int byte = 0; byte < 256; ++byte) {
    Accepting message;
    const std::string bytes(1, static_cast<char>(byte));
    ASSERT_EQ(decode_fields(as_bytes(bytes), message), byte <= 1) << byte;
    EXPECT_EQ(message.on, byte == 1) << byte;
  }
}

TEST(MessagesDeathTest, TextsAndListsAboveTheirBoundAreNotSent) {
  Lookup lookup;
  lookup.host.value = std::string(kMaxHost + 1, 'h');
  EXPECT_EXIT(encode(lookup), testing::ExitedWithCode(71), "too long");
  const Services services{{std::vector<std::string>(limits::kMaxServices + 1)}};
  EXPECT_EXIT(encode(services), testing::ExitedWithCode(71), "too long");
  Grant grant;
  grant.access_token.value.assign(std::string(limits::kMaxAccessToken + 1, 't'));
  EXPECT_EXIT(encode(grant), testing::ExitedWithCode(71), "too long");
  Grant with_key;
  with_key.proxy_key.value.assign(std::string(limits::kMaxClientKey + 1, 'k'));
  EXPECT_EXIT(encode(with_key), testing::ExitedWithCode(71), "too long");
}

// ---- the table ----

constexpr unsigned bit(Role role) {
  return 1U << static_cast<unsigned>(role);
}

TEST(TableTest, UnknownNumbersHaveNoRow) {
  EXPECT_EQ(find_spec(0), nullptr);
  EXPECT_EQ(find_spec(static_cast<uint16_t>(table().size() + 1)), nullptr);
  EXPECT_EQ(find_spec(UINT16_MAX), nullptr);
  for (const Spec& spec : table())
    EXPECT_EQ(find_spec(static_cast<uint16_t>(spec.type)), &spec);
}

TEST(TableTest, NamesDiffer) {
  std::set<std::string_view> names;
  for (const Spec& spec : table())
    names.insert(spec.name);
  EXPECT_EQ(names.size(), table().size());
}

TEST(TableTest, NoMessageGoesBothWaysOrNowhere) {
  for (const Spec& spec : table()) {
    SCOPED_TRACE(spec.name);
    EXPECT_NE(spec.from, 0);
    EXPECT_NE(spec.to, 0);
    EXPECT_EQ(spec.from & spec.to, 0);
    EXPECT_NE(spec.states, 0);
  }
}

TEST(TableTest, SecretsGoFromTheMonitorToNetOnceAndNowhereElse) {
  for (const Spec& spec : table()) {
    EXPECT_EQ(spec.secret, spec.type == Type::kGrant) << spec.name;
  }
  const Spec* grant = find_spec(static_cast<uint16_t>(Type::kGrant));
  EXPECT_EQ(grant->from, bit(Role::kMonitor));
  EXPECT_EQ(grant->to, bit(Role::kNet));
  EXPECT_EQ(grant->states, static_cast<unsigned>(State::kReady));
}

TEST(TableTest, NetSendsNoDescriptors) {
  for (const Spec& spec : table()) {
    if ((spec.from & bit(Role::kNet)) != 0) {
      EXPECT_EQ(spec.fds, 0) << spec.name;
    }
    // A channel of a connection has a descriptor for each direction.
    const bool channel = spec.type == Type::kAccepted || spec.type == Type::kOpening;
    EXPECT_LE(spec.fds, channel ? 2 : 1) << spec.name;
  }
}

TEST(TableTest, OnlyTheMonitorTalksToResolve) {
  for (const Spec& spec : table()) {
    if ((spec.to & bit(Role::kResolve)) != 0) {
      EXPECT_EQ(spec.from, bit(Role::kMonitor)) << spec.name;
    }
    if ((spec.from & bit(Role::kResolve)) != 0) {
      EXPECT_EQ(spec.to, bit(Role::kMonitor)) << spec.name;
    }
  }
}

}  // namespace
}  // namespace localproxy::ipc
