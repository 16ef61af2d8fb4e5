// Runs a fuzz target without a fuzzer: every seed of a directory, cut at every length, and with random
// changes that are the same in every run.
//
//   fuzz-TARGET DIRECTORY [CHANGES]    the seeds, and so many changes of each
//   fuzz-TARGET FILE                   one input as it is, such as what libFuzzer has found
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

using Input = std::vector<uint8_t>;

constexpr int kChangedInputs = 10'000;  // of a seed; all of a decoder's take about a second
constexpr int kMostChanges = 5;         // of an input
constexpr size_t kLongestCut = 2'048;   // bytes; longer seeds are cut at these lengths only

// What is being run, for the message of a crash. Written before the run, since a handler can only write().
char running[512];

void say_what_was_running(int signal) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, running, strlen(running));
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void run(const Input& input, const std::string& what) {
  snprintf(running, sizeof running, "while running %s\n", what.c_str());
  // Exactly as much memory as there is input, so that a sanitizer sees every byte that is read beyond it.
  const auto exact = std::make_unique<uint8_t[]>(input.size());
  std::copy(input.begin(), input.end(), exact.get());
  LLVMFuzzerTestOneInput(exact.get(), input.size());
}

Input read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// One small change: a bit or a byte of another value, or a run of bytes that is doubled, removed or new.
void change(Input& input, std::mt19937& random) {
  static constexpr uint8_t kEdges[] = {0x00, 0x01, 0x7d, 0x7e, 0x7f, 0x80, 0xff};
  const auto below = [&](size_t limit) { return random() % limit; };
  const auto byte = [&] { return static_cast<uint8_t>(random()); };
  const auto position = [&](size_t at) { return input.begin() + static_cast<ptrdiff_t>(at); };
  if (input.empty()) input.push_back(byte());
  const size_t at = below(input.size());
  const size_t run = 1 + below(std::min<size_t>(16, input.size() - at));
  switch (below(6)) {
    case 0:
      input[at] = static_cast<uint8_t>(input[at] ^ 1U << below(8));
      break;
    case 1:
      input[at] = byte();
      break;
    case 2:
      input[at] = kEdges[below(std::size(kEdges))];
      break;
    case 3: {
      const Input doubled(position(at), position(at + run));
      input.insert(position(at), doubled.begin(), doubled.end());
      break;
    }
    case 4:
      input.erase(position(at), position(at + run));
      break;
    default:
      input.insert(position(at), run, byte());
      break;
  }
}

void run_seed(const std::filesystem::path& path, int changed_inputs) {
  const std::string name = path.filename().string();
  const Input seed = read_file(path);
  run(seed, name);
  for (size_t size = 0; size < std::min(seed.size(), kLongestCut); ++size)
    run(Input(seed.begin(), seed.begin() + static_cast<ptrdiff_t>(size)),
        name + " cut at " + std::to_string(size));
  std::mt19937 random;  // NOLINT: with its own seed, which is always the same
  for (int i = 0; i < changed_inputs; ++i) {
    Input input = seed;
    for (size_t changes = 1 + random() % kMostChanges; changes > 0; --changes)
      change(input, random);
    run(input, name + " with change " + std::to_string(i));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    fprintf(stderr, "usage: %s DIRECTORY [CHANGES] | FILE\n", argv[0]);
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    ::signal(signal, say_what_was_running);
  const std::filesystem::path path = argv[1];
  if (std::filesystem::is_regular_file(path)) {
    run(read_file(path), path.string());
    return 0;
  }
  const int changed_inputs = argc == 3 ? atoi(argv[2]) : kChangedInputs;
  int seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    run_seed(entry.path(), changed_inputs);
    ++seeds;
  }
  printf("%d seeds\n", seeds);
  return seeds > 0 ? 0 : 1;
}
