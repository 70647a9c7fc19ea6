#include "load/engine.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "load/die.hpp"

namespace opaline::bench {
namespace {

// epoll's user data is one word: a Listener's address carries this bit, a Session's does not.
constexpr std::uint64_t kListenerBit = 1;

void control(int epoll, int operation, int descriptor, std::uint32_t events, std::uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  if (::epoll_ctl(epoll, operation, descriptor, &event) != 0) die_errno("epoll_ctl");
}

std::uint64_t data_of(const void* object) {
  return reinterpret_cast<std::uintptr_t>(object);
}

}  // namespace

void Session::on_closed() {
  die("the server closed a connection");
}

Engine::Engine() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) die_errno("epoll_create1");
}

Engine::~Engine() {
  ::close(epoll_);
}

void Engine::add(Session& session) {
  session.stream().set_nonblocking();
  control(epoll_, EPOLL_CTL_ADD, session.stream().socket(), EPOLLIN, data_of(&session));
}

void Engine::remove(Session& session) {
  control(epoll_, EPOLL_CTL_DEL, session.stream().socket(), 0, 0);
  std::erase(touched_, &session);
  session.touched_ = session.waits_for_room_ = false;
}

void Engine::add(int descriptor, std::function<void()> ready) {
  listeners_.push_back(std::make_unique<Listener>(Listener{descriptor, std::move(ready)}));
  control(epoll_, EPOLL_CTL_ADD, descriptor, EPOLLIN, data_of(listeners_.back().get()) | kListenerBit);
}

void Engine::wait_for_room(Session& session, bool wanted) {
  if (session.waits_for_room_ == wanted) return;
  session.waits_for_room_ = wanted;
  control(epoll_, EPOLL_CTL_MOD, session.stream().socket(), wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, data_of(&session));
}

void Engine::handle(Session& session, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) touch(session);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  if (!session.stream().pull()) return session.on_closed();
  if (!session.stream().input.empty()) session.on_input(now_ns());
}

void Engine::push_touched() {
  // on_round_end may touch others; they are pushed in the same round.
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    Session& session = *touched_[i];
    session.touched_ = false;
    session.on_round_end();
    wait_for_room(session, session.stream().push());
  }
  touched_.clear();
}

void Engine::run_until(const std::function<bool()>& done, Nanos look) {
  std::array<epoll_event, 256> events{};
  push_touched();
  while (!done()) {
    const int ready = ::epoll_wait(epoll_, events.data(), events.size(), static_cast<int>(look / 1'000'000));
    if (ready < 0 && errno != EINTR) die_errno("epoll_wait");
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      const std::uint64_t data = event.data.u64;
      if ((data & kListenerBit) != 0) {
        reinterpret_cast<Listener*>(data & ~kListenerBit)->ready();
      } else {
        handle(*reinterpret_cast<Session*>(data), event.events);
      }
    }
    push_touched();
  }
}

}  // namespace opaline::bench
