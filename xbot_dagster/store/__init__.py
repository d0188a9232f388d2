"""The only room with SQL (and the Redis cache). Functions take a connection first, bind their parameters, return typed rows."""
