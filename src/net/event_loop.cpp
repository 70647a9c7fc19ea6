#include "net/event_loop.hpp"

#include "net/internal/loop_core.hpp"

namespace opaline::net {

Timer::Timer(EventLoop& loop) : core_(loop.core()) {}
Timer::~Timer() {
  core_.cancel(*this);
}
void Timer::arm(std::chrono::nanoseconds delay, Task task) {
  core_.arm(*this, delay, std::move(task));
}
void Timer::cancel() {
  core_.cancel(*this);
}
bool Timer::armed() const {
  return sequence_ != 0;
}

EventLoop::EventLoop(const Clock& clock) : core_(std::make_unique<internal::LoopCore>(clock)) {}
EventLoop::~EventLoop() = default;
void EventLoop::run() {
  core_->run();
}
bool EventLoop::run_until(const std::function<bool()>& done) {
  return core_->run_until(done);
}
void EventLoop::run_once(std::chrono::nanoseconds longest) {
  core_->round(longest);
}
void EventLoop::stop() {
  core_->stop();
}
void EventLoop::post(Task task) {
  core_->post(std::move(task));
}
void EventLoop::after_round(Task task) {
  core_->after_round(std::move(task));
}
Result<void, NetError> EventLoop::on_signal(int number, std::function<void()> task) {
  return core_->on_signal(number, std::move(task));
}
Instant EventLoop::now() const {
  return core_->now();
}
const Clock& EventLoop::clock() const {
  return core_->clock();
}

}  // namespace opaline::net
