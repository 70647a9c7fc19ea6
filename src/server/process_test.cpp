#include "server/process.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "server/test_support/temporary_directory.hpp"

namespace opaline::server {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(DirectoryLock, IsExclusiveAndNamesTheHolder) {
  const TemporaryDirectory dir;
  const auto data = dir.path() / "new" / "data";
  {
    const auto first = DirectoryLock::take(data);
    ASSERT_TRUE(first) << first.error();
    const auto second = DirectoryLock::take(data);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error(), HasSubstr("in use by process " + std::to_string(getpid())));
  }
  EXPECT_TRUE(DirectoryLock::take(data)) << "it was released";
}

TEST(DirectoryLock, IsReleasedWhenItsProcessDies) {
  const TemporaryDirectory dir;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = DirectoryLock::take(dir.path());
    std::ignore = write(ready[1], lock ? "y" : "n", 1);
    pause();
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  EXPECT_FALSE(DirectoryLock::take(dir.path()));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(DirectoryLock::take(dir.path()));
  close(ready[0]);
  close(ready[1]);
}

TEST(DirectoryLock, ADirectoryThatCannotBeIsNamed) {
  const TemporaryDirectory dir;
  std::ofstream(dir.path() / "file") << "x";
  const auto lock = DirectoryLock::take(dir.path() / "file" / "data");
  ASSERT_FALSE(lock);
  EXPECT_THAT(lock.error(), HasSubstr("cannot make the directory"));
}

TEST(Swap, AreasAreCountedWithoutTheHeading) {
  constexpr std::string_view kHeading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
  EXPECT_FALSE(lists_swap(kHeading));
  EXPECT_FALSE(lists_swap(""));
  EXPECT_TRUE(lists_swap(std::string(kHeading) + "/dev/dm-1  partition\t999420\t\t0\t\t-2\n"));
}

TEST(Swap, ALimitOfZeroAnywhereAboveCounts) {
  const TemporaryDirectory dir;
  const auto leaf = dir.path() / "system.slice" / "opalined.service";
  fs::create_directories(leaf);
  EXPECT_FALSE(cgroup_forbids_swap(dir.path(), leaf));
  std::ofstream(leaf / "memory.swap.max") << "max\n";
  EXPECT_FALSE(cgroup_forbids_swap(dir.path(), leaf));
  std::ofstream(dir.path() / "system.slice" / "memory.swap.max") << "0\n";
  EXPECT_TRUE(cgroup_forbids_swap(dir.path(), leaf));
  EXPECT_FALSE(cgroup_forbids_swap(dir.path(), dir.path()));
}

TEST(Swap, AnyOneMeasureIsEnough) {
  EXPECT_EQ(exposure({true, false, false}), SwapExposure::possible);
  EXPECT_EQ(exposure({false, false, false}), SwapExposure::none);
  EXPECT_EQ(exposure({true, true, false}), SwapExposure::none);
  EXPECT_EQ(exposure({true, false, true}), SwapExposure::none);
}

TEST(Files, AreWrittenWholeWithTheirMode) {
  const TemporaryDirectory dir;
  const auto file = dir.path() / "ports.json";
  std::ofstream(file) << "old and longer than the new text";
  ASSERT_TRUE(write_file_atomically(file, "new", 0640));
  EXPECT_EQ(read(file), "new");
  struct stat status{};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator{}), 1) << "no temporary is left";
  EXPECT_FALSE(write_file_atomically(dir.path() / "none" / "x", "new", 0640));
}

TEST(Notify, SendsOneDatagram) {
  const TemporaryDirectory dir;
  const auto path = (dir.path() / "notify").string();
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  setenv("NOTIFY_SOCKET", path.c_str(), 1);
  notify_service_manager("READY=1");
  unsetenv("NOTIFY_SOCKET");
  notify_service_manager("READY=1");  // nowhere to go: nothing happens
  char text[64] = {};
  EXPECT_EQ(recv(fd, text, sizeof(text), MSG_DONTWAIT), 7);
  EXPECT_STREQ(text, "READY=1");
  EXPECT_EQ(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
  close(fd);
}

}  // namespace
}  // namespace opaline::server
