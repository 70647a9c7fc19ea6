// Asio's and Beast's compiled parts (BOOST_*_SEPARATE_COMPILATION): here alone.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
