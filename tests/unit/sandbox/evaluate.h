// Runs a filter's program as the kernel would, to get its verdict on a call without making the call.
#pragma once

#include <gtest/gtest.h>
#include <linux/seccomp.h>

#include <cstring>

#include "sandbox/filter.h"

namespace localproxy::sandbox::test {

// A SECCOMP_RET_ value. Fails for an instruction that libseccomp does not generate, and for a jump out of the
// program.
inline uint32_t evaluate(const FilterProgram& program, const seccomp_data& data) {
  uint32_t accumulator = 0;
  for (size_t at = 0; at < program.size(); ++at) {
    const sock_filter& instruction = program[at];
    const uint32_t k = instruction.k;
    const auto jump = [&](bool condition) { at += condition ? instruction.jt : instruction.jf; };
    switch (instruction.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (k > sizeof data - sizeof accumulator) {
          ADD_FAILURE() << "reads behind the call at " << at;
          return SECCOMP_RET_ALLOW;
        }
        memcpy(&accumulator, reinterpret_cast<const char*>(&data) + k, sizeof accumulator);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= k;
        break;
      case BPF_JMP | BPF_JA:
        at += k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump(accumulator == k);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        jump(accumulator > k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        jump(accumulator >= k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        jump((accumulator & k) != 0);
        break;
      case BPF_RET | BPF_K:
        return k;
      default:
        ADD_FAILURE() << "unknown instruction " << instruction.code << " at " << at;
        return SECCOMP_RET_ALLOW;
    }
  }
  ADD_FAILURE() << "the program ends without a verdict";
  return SECCOMP_RET_ALLOW;
}

}  // namespace localproxy::sandbox::test
