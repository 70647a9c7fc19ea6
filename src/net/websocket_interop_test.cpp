// Beast's WebSocket, an implementation that is not ours, at the other end: as client of our server and as server of our
// client.
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "net/net_test_support.hpp"

namespace opaline::net {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using BeastSocket = websocket::stream<asio::ip::tcp::socket>;

Bytes read_message(BeastSocket& socket) {
  boost::beast::flat_buffer buffer;
  socket.read(buffer);
  return to_bytes(ByteView(static_cast<const std::byte*>(buffer.data().data()), buffer.size()));
}

std::vector<Bytes> some_messages() {
  SeededRandom random(3);
  std::vector<Bytes> out;
  for (const std::size_t size : {0U, 1U, 125U, 126U, 4096U, 65535U, 65536U, 69000U}) {
    random.fill(out.emplace_back(size));
  }
  return out;
}

TEST(WebSocketInterop, beast_as_client_with_fragments_pings_and_a_close) {
  LoopThread thread;
  const auto server = thread.call([&] {
    return std::move(*HttpServer::start(
        thread.loop(), {.address = {.ip = "127.0.0.1"}},
        [](HttpRequest, HttpResponder responder) { responder.upgrade(std::make_unique<EchoHandler>()); }));
  });
  asio::io_context context;
  BeastSocket socket(context);
  socket.next_layer().connect({asio::ip::make_address("127.0.0.1"), server->port()});
  socket.binary(true);
  socket.handshake("localhost", "/v1/device");
  for (const std::size_t fragment : {0U, 7U, 1000U}) {  // 0: as one frame
    socket.auto_fragment(fragment != 0);
    if (fragment != 0) socket.write_buffer_bytes(std::max<std::size_t>(8, fragment));
    for (const Bytes& message : some_messages()) {
      socket.write(asio::const_buffer(message.data(), message.size()));
      EXPECT_EQ(read_message(socket), message);
    }
  }
  int pongs = 0;
  socket.control_callback([&](websocket::frame_type type, boost::beast::string_view payload) {
    pongs += static_cast<int>(type == websocket::frame_type::pong && payload == "are you there");
  });
  socket.ping("are you there");
  socket.write(asio::const_buffer("x", 1));
  EXPECT_EQ(to_string(read_message(socket)), "x");
  EXPECT_EQ(pongs, 1);
  socket.close(websocket::close_reason(static_cast<websocket::close_code>(4000), "enough"));

  while (thread.call([&] { return server->counters().open_connections; }) != 0) std::this_thread::yield();
  thread.stop();
}

TEST(WebSocketInterop, beast_as_server) {
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
  const std::uint16_t port = acceptor.local_endpoint().port();
  const auto messages = some_messages();
  std::thread server([&] {
    BeastSocket socket(acceptor.accept());
    socket.accept();
    socket.binary(true);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const Bytes message = read_message(socket);
      socket.ping("p");
      socket.write(asio::const_buffer(message.data(), message.size()));
    }
    boost::beast::error_code ec;
    boost::beast::flat_buffer buffer;
    socket.read(buffer, ec);
    EXPECT_EQ(ec, websocket::error::closed);
    EXPECT_EQ(socket.reason().code, 4001);
    EXPECT_EQ(socket.reason().reason, "bye");
  });
  SystemClock clock;
  EventLoop loop(clock);
  SeededRandom random(5);
  Recorded seen;
  seen.on_open = [&](WebSocketConnection& connection) {
    for (const Bytes& message : messages) connection.send(message);
  };
  const WebSocketClient client(loop, random, {.url = *Url::parse("ws://127.0.0.1:" + std::to_string(port) + "/")},
                               record_into(seen), [](WebSocketConnectFailure) { FAIL(); });
  loop.run_until([&] { return seen.messages.size() == messages.size(); });
  EXPECT_TRUE(std::equal(messages.begin(), messages.end(), seen.messages.begin()));
  seen.connection->close(4001, "bye");
  loop.run_until([&] { return seen.closed.has_value(); });
  EXPECT_EQ(seen.closed, CloseCause::by_us);
  server.join();
}

}  // namespace
}  // namespace opaline::net
