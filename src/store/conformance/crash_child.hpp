#pragma once
// A test that is killed at a fault point: this program again, with only one test to run, which tells its parent through
// a pipe what it was promised before it died.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/fault_point.hpp"

namespace opaline::store::conformance {

[[noreturn]] inline void die(const std::string& why) {
  std::fputs((why + "\n").c_str(), stderr);
  std::_Exit(3);
}

/// What the parent gives to its child.
struct CrashChild {
  static constexpr const char* kVariable = "OPALINE_CRASH_CHILD";
  int report = -1;
  std::filesystem::path root;

  /// In the child's test; nullopt: this is not the child. Arms the fault point.
  static std::optional<CrashChild> from_environment() {
    const char* const variable = std::getenv(kVariable);
    if (variable == nullptr) return std::nullopt;
    OPALINE_ASSERT(fault::arm_from_environment());
    CrashChild out;
    std::istringstream in(variable);
    in >> out.report >> out.root;
    return out;
  }
  /// One line, by one write(2), so that nothing said is lost with the process.
  void say(const std::string& line) const {
    const std::string whole = line + "\n";
    if (::write(report, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) die("the parent is gone");
  }
};

struct ChildEnd {
  int status = 0;    ///< of waitpid(2)
  std::string said;  ///< lines
  [[nodiscard]] bool ended_well() const { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
  [[nodiscard]] bool killed() const { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }
};

/// Runs `test` ("Suite.Name") in a child until it ends or dies at `fault` ("point:nth"; empty: none).
inline ChildEnd run_child(const std::string& test, const std::filesystem::path& root, const std::string& fault) {
  int ends[2];
  OPALINE_ASSERT(::pipe2(ends, O_CLOEXEC) == 0);
  const int report = ::fcntl(ends[1], F_DUPFD, 10);  // inherited
  std::ostringstream given;
  given << CrashChild::kVariable << "=" << report << " " << root;
  const std::string variable = given.str(), fault_variable = "OPALINE_FAULT=" + fault;
  std::string filter = "--gtest_filter=" + test;
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(::open("/dev/null", O_WRONLY), 1);
    std::vector<char*> environment = {const_cast<char*>(variable.c_str())};
    if (!fault.empty()) environment.push_back(const_cast<char*>(fault_variable.c_str()));
    environment.push_back(nullptr);
    char program[] = "/proc/self/exe";
    char* arguments[] = {program, filter.data(), nullptr};
    ::execve(program, arguments, environment.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  ::close(report);
  ChildEnd out;
  char buffer[65536];
  for (ssize_t size = 0; (size = ::read(ends[0], buffer, sizeof(buffer))) > 0;) {
    out.said.append(buffer, static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  ::waitpid(child, &out.status, 0);
  return out;
}

/// The fault points whose names begin so.
inline std::vector<std::string_view> fault_points(std::initializer_list<std::string_view> prefixes) {
  std::vector<std::string_view> out(kFaultPoints.begin(), kFaultPoints.end());
  std::erase_if(out, [&](std::string_view name) {
    return std::ranges::none_of(prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
  });
  return out;
}

/// As a name of a test.
inline std::string name_of_point(const ::testing::TestParamInfo<std::string_view>& point) {
  std::string out(point.param);
  std::ranges::replace(out, '.', '_');
  return out;
}

}  // namespace opaline::store::conformance
