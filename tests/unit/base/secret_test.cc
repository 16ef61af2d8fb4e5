#include "base/secret.h"

#include <gtest/gtest.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "tests/unit/base/freed_memory.h"

namespace localproxy {
namespace {

using test::FreedMemory;

constexpr std::string_view kMarker = "AQGAAXg-marker";
static_assert(kMarker.size() < 16, "lies inside a std::string");
constexpr std::string_view kLong =
    "AQGAAXg-marker and so much more that it does not fit into the object itself";

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string> &&
              !std::is_convertible_v<Secret, std::string_view>);

template <typename T>
bool object_holds(const T& object, std::string_view text) {
  const std::string_view bytes(reinterpret_cast<const char*>(&object), sizeof object);
  return bytes.find(text) != bytes.npos;
}

TEST(WipeTest, OverwritesMemory) {
  char memory[] = "secret";
  wipe(memory, 3);
  EXPECT_EQ(std::string_view(memory, 6), std::string_view("\0\0\0ret", 6));
}

// A string that held the marker, which is still in the unused end of its buffer.
std::string emptied_string() {
  std::string text;
  text.reserve(200);
  text.append(100, 'x').append(kLong);
  text.resize(1);
  return text;
}

TEST(WipeTest, OverwritesTheUnusedEndOfAStringToo) {
  FreedMemory freed(kMarker);
  { const std::string text = emptied_string(); }
  ASSERT_EQ(freed.blocks_with_marker(), 1U) << "unwiped memory is detected";
  {
    std::string text = emptied_string();
    wipe(text);
    EXPECT_TRUE(text.empty());
  }
  EXPECT_EQ(freed.blocks_with_marker(), 1U);
}

TEST(SecretTest, RevealsWhatItWasGiven) {
  const Secret secret(kLong);
  EXPECT_EQ(secret.reveal(), kLong);
  EXPECT_EQ(secret.size(), kLong.size());
  EXPECT_FALSE(secret.empty());
  EXPECT_TRUE(Secret().empty());
}

TEST(SecretTest, ClearOverwritesIt) {
  Secret secret(kLong);
  const char* const memory = secret.reveal().data();
  ASSERT_EQ(std::string_view(memory, kLong.size()), kLong);
  secret.clear();
  EXPECT_TRUE(secret.empty());
  EXPECT_EQ(std::string_view(memory, kLong.size()), std::string(kLong.size(), '\0'));
}

TEST(SecretTest, MovingLeavesNothingBehind) {
  for (const std::string_view text : {kMarker, kLong}) {
    Secret first(text);
    Secret second(std::move(first));
    EXPECT_EQ(second.reveal(), text);
    EXPECT_TRUE(first.empty());  // NOLINT: that it is empty is the point
    Secret third("another");
    const char* const before = third.reveal().data();
    third = std::move(second);
    EXPECT_EQ(third.reveal(), text);
    EXPECT_EQ(*before, '\0') << "what it held is overwritten";
    EXPECT_TRUE(second.empty());  // NOLINT
    Secret& same = third;
    third = std::move(same);
    EXPECT_EQ(third.reveal(), text);
  }
}

TEST(SecretTest, FreedMemoryContainsNoSecret) {
  FreedMemory freed(kMarker);
  {
    Secret secret(kLong);
    EXPECT_FALSE(object_holds(secret, kMarker));
    secret.assign(std::string(4096, 'x'));
    secret.assign(kLong);
    const auto other = std::make_unique<Secret>(kMarker);
  }
  EXPECT_EQ(freed.blocks_with_marker(), 0U);
}

TEST(WipeStackTest, GivesThePagesBack) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  char here = 0;
  // In the middle of what is wiped.
  char* const below = &here - reinterpret_cast<uintptr_t>(&here) % page - 64 * 1024;
  wipe_stack();
  unsigned char resident = 1;
  ASSERT_EQ(::mincore(below, page, &resident), 0);
  EXPECT_EQ(resident & 1, 0);
}

}  // namespace
}  // namespace localproxy
