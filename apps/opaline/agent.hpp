#pragma once
// While `receive --follow` holds a home, it takes messages to send from other opaline processes of the same user over
// the socket HOME/opaline.sock (HTTP, JSON): POST /send {"to","text","until","wait_seconds"} -> the lines of `send
// --json`.
#include <memory>

#include "apps/opaline/agent_request.hpp"
#include "apps/opaline/commands.hpp"
#include "apps/opaline/context.hpp"
#include "net/http_server.hpp"

namespace opaline::cli {

class Agent {
 public:
  /// nullptr if the socket cannot be made (a hint is printed): receiving works all the same.
  [[nodiscard]] static std::unique_ptr<Agent> start(Context& context);
  ~Agent();
  /// Something happened: those who wait for a message's state are answered if it is so far.
  void look();
  /// Before the process ends: everybody who waits is answered, and nothing is taken any more.
  void end();

 private:
  class Waiting;
  explicit Agent(Context& context) : context_(context) {}
  void handle(const net::HttpRequest& request, net::HttpResponder responder);
  Context& context_;
  std::vector<std::shared_ptr<Waiting>> waiting_;
  std::unique_ptr<net::HttpServer> server_;
  bool ended_ = false;
};

/// Asks the process that holds the home to send.
[[nodiscard]] Exit send_through_agent(Context& context, const AgentSend& send);
/// Prints an event that is not in the history: states, typing, warnings.
void report_event(Context& context, const endpoint::Event& event);

}  // namespace opaline::cli
