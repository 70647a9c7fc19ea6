#include "system/server_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/result.hpp"

namespace opaline::system_test {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

pid_t spawn(const std::string& program, const std::vector<std::string>& arguments,
            const std::map<std::string, std::string>& environment, const fs::path& out, const fs::path& err) {
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(program.c_str()));
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  OPALINE_ASSERT(pid >= 0);
  if (pid != 0) return pid;
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  const auto redirect = [](int to, const fs::path& file) {
    const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) dup2(fd, to);
  };
  redirect(STDOUT_FILENO, out);
  redirect(STDERR_FILENO, err);
  execv(program.c_str(), argv.data());
  _exit(127);
}

fs::path temporary_file(const char* pattern) {
  std::string name = (fs::temp_directory_path() / pattern).string();
  const int fd = mkstemp(name.data());
  OPALINE_ASSERT(fd >= 0);
  close(fd);
  return name;
}

}  // namespace

Finished run_program(const std::string& program, const std::vector<std::string>& arguments,
                     const std::map<std::string, std::string>& environment) {
  const auto out = temporary_file("opaline-out-XXXXXX");
  const auto err = temporary_file("opaline-err-XXXXXX");
  const pid_t pid = spawn(program, arguments, environment, out, err);
  int status = 0;
  waitpid(pid, &status, 0);
  Finished finished{exit_code_of(status), read_file(out), read_file(err)};
  fs::remove(out);
  fs::remove(err);
  return finished;
}

ServerProcess::ServerProcess(fs::path directory, std::vector<std::string> arguments,
                             std::map<std::string, std::string> environment)
    : directory_(std::move(directory)), log_file_(directory_.string() + ".log") {
  static int counter = 0;
  notify_path_ = directory_.string() + ".notify" + std::to_string(counter++);
  notify_fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  OPALINE_ASSERT(notify_path_.native().size() < sizeof(address.sun_path));
  std::strcpy(address.sun_path, notify_path_.c_str());
  OPALINE_ASSERT(bind(notify_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  environment["NOTIFY_SOCKET"] = notify_path_;
  std::vector<std::string> all{"--dev", directory_.string(), "--port", "0"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  pid_ = spawn(OPALINED_BIN, all, environment, "/dev/null", log_file_);
}

ServerProcess::~ServerProcess() {
  if (!exit_code_) {
    kill(pid_, SIGKILL);
    wait_exit();
  }
  close(notify_fd_);
  unlink(notify_path_.c_str());
}

bool ServerProcess::wait_ready() {
  const int process = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  OPALINE_ASSERT(process >= 0);
  bool ready = false;
  for (bool over = false; !ready && !over;) {
    pollfd events[] = {{notify_fd_, POLLIN, 0}, {process, POLLIN, 0}};
    if (poll(events, 2, -1) < 0) continue;
    char text[256] = {};
    if ((events[0].revents & POLLIN) != 0 && recv(notify_fd_, text, sizeof(text) - 1, MSG_DONTWAIT) > 0) {
      ready = std::string_view(text) == "READY=1";
    } else if ((events[1].revents & POLLIN) != 0) {
      over = true;
    }
  }
  close(process);
  return ready;
}

void ServerProcess::signal(int number) {
  kill(pid_, number);
}

int ServerProcess::wait_exit() {
  if (!exit_code_) {
    int status = 0;
    waitpid(pid_, &status, 0);
    exit_code_ = exit_code_of(status);
  }
  return *exit_code_;
}

int ServerProcess::stop() {
  signal(SIGTERM);
  return wait_exit();
}

Ports ServerProcess::ports() const {
  const auto value = boost::json::parse(read_file(directory_ / "ports.json"));
  const auto port = [&](const char* name) { return static_cast<std::uint16_t>(value.at(name).as_int64()); };
  return {port("public"), port("operator"), port("metrics")};
}

std::string ServerProcess::log() const {
  return read_file(log_file_);
}

std::string ServerProcess::url(const std::string& path) const {
  return "https://localhost:" + std::to_string(ports().public_port) + path;
}

Finished ServerProcess::command(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"--dev", directory_.string()});
  return run_program(OPALINED_BIN, arguments);
}

}  // namespace opaline::system_test
