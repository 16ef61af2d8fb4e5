#include "base/locked_memory.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "build_config.h"

namespace localproxy {
namespace {

// The kernel's flags for the mapping of an address (proc(5), VmFlags).
std::string flags_of(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
      inside = begin <= wanted && wanted < end;
    if (inside && line.starts_with("VmFlags:")) return line + " ";
  }
  return "";
}

bool is_zero(const char* memory, size_t size) {
  return std::string_view(memory, size) == std::string(size, '\0');
}

class LockedMemoryTest : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, LockedMemoryTest, testing::Values(1, 64, 65, 2'048, kLockedArea, 100'000));

TEST_P(LockedMemoryTest, IsLockedAndInNoCore) {
  char* const memory = locked_allocate(GetParam());
  for (const char* at : {memory, memory + GetParam() - 1}) {
    const std::string flags = flags_of(at);
    EXPECT_NE(flags.find(" dd "), flags.npos) << flags;
    EXPECT_NE(flags.find(" wf "), flags.npos) << flags;
    // Sanitizers turn mlock() into a no-op.
    if (!LOCALPROXY_SANITIZER_BUILD) {
      EXPECT_NE(flags.find(" lo "), flags.npos) << flags;
    }
  }
  locked_free(memory, GetParam());
}

TEST_P(LockedMemoryTest, IsZeroAtFirstAndAgain) {
  for (int i = 0; i < 3; ++i) {
    char* const memory = locked_allocate(GetParam());
    ASSERT_TRUE(is_zero(memory, GetParam()));
    memset(memory, 'x', GetParam());
    locked_free(memory, GetParam());
  }
}

TEST_P(LockedMemoryTest, AForkedChildFindsZeros) {
  char* const memory = locked_allocate(GetParam());
  memset(memory, 'x', GetParam());
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) ::_exit(is_zero(memory, GetParam()) ? 0 : 1);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(memory[GetParam() - 1], 'x');
  locked_free(memory, GetParam());
}

TEST(LockedMemoryTest, PiecesDoNotOverlap) {
  // Twice as much as the area holds.
  std::vector<std::pair<char*, size_t>> pieces;
  size_t total = 0;
  for (size_t i = 0; total < 2 * kLockedArea; ++i) {
    const size_t size = 1 + (i * 997) % 3'000;
    char* const memory = locked_allocate(size);
    ASSERT_TRUE(is_zero(memory, size));
    memset(memory, static_cast<char>('a' + i % 26), size);
    pieces.emplace_back(memory, size);
    total += size;
    // Every third is freed early, to make holes.
    if (i % 3 == 2) {
      locked_free(pieces[i - 1].first, pieces[i - 1].second);
      pieces[i - 1].second = 0;
    }
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto [memory, size] = pieces[i];
    if (size == 0) continue;
    EXPECT_EQ(std::string_view(memory, size), std::string(size, static_cast<char>('a' + i % 26))) << i;
    locked_free(memory, size);
  }
}

TEST(LockedMemoryTest, WithoutTheRightToLockItGoesOnAndSaysSo) {
  if (LOCALPROXY_SANITIZER_BUILD) GTEST_SKIP() << "the sanitizers make mlock() do nothing";
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    const rlimit none{0, 0};
    // The limit does not hold for root.
    if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (::geteuid() == 0 && ::setuid(65'534) != 0)) ::_exit(1);
    if (!lock_failure().empty()) ::_exit(3);
    char* const memory = locked_allocate(2 * kLockedArea);
    memory[0] = 'x';
    const std::string flags = flags_of(memory);
    const bool kept = flags.find(" dd ") != flags.npos && flags.find(" wf ") != flags.npos;
    ::_exit(kept && lock_failure() == "Operation not permitted" ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 0) << status;
}

}  // namespace
}  // namespace localproxy
