#pragma once
// A real opalined, started from the build tree in a directory of its own, on ports that the kernel chooses.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace opaline::system_test {

struct Finished {
  int exit_code = -1;  ///< 128 + n: ended by signal n
  std::string out, err;
};
/// Runs the program to its end.
[[nodiscard]] Finished run_program(const std::string& program, const std::vector<std::string>& arguments,
                                   const std::map<std::string, std::string>& environment = {});

struct Ports {
  std::uint16_t public_port = 0, operator_port = 0, metrics_port = 0;
};

class ServerProcess {
 public:
  /// `directory` is what --dev gets; `arguments` come after `--dev DIR --port 0`.
  explicit ServerProcess(std::filesystem::path directory, std::vector<std::string> arguments = {},
                         std::map<std::string, std::string> environment = {});
  ~ServerProcess();  ///< SIGKILL if it still runs
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  /// Waits until the server says that it is ready, or ends. False: it ended.
  [[nodiscard]] bool wait_ready();
  void signal(int number);
  /// Waits for its end; the exit code as in Finished.
  int wait_exit();
  /// SIGTERM, then wait_exit.
  int stop();

  [[nodiscard]] Ports ports() const;
  [[nodiscard]] std::string log() const;                         ///< its standard error so far
  [[nodiscard]] std::string url(const std::string& path) const;  ///< of the public listener
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  /// `opalined --dev DIR <arguments>`, to its end.
  [[nodiscard]] Finished command(std::vector<std::string> arguments) const;

 private:
  std::filesystem::path directory_, log_file_;
  int notify_fd_ = -1;
  std::filesystem::path notify_path_;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

}  // namespace opaline::system_test
