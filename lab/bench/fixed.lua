-- SPDX-License-Identifier: Apache-2.0
-- wrk knows durations only: this has it get FIRST responses, then AMOUNT more, and prints how many seconds those took,
-- and how many of its CPU. Connections that are set up before the first ones are there are not in the figures.
-- Responses are counted, not requests: wrk makes a request anew each time that a held socket says EAGAIN.
-- arguments: FIRST AMOUNT [close]; with 'close', each request has a connection of its own.
local ffi = require("ffi")
ffi.cdef [[
typedef struct { long seconds; long nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *now);
]]
local MONOTONIC, CPU = 1, 2
local done, first, last, began, burnt = 0, 0, 0, 0, 0

local function now(clock)
   local time = ffi.new("bench_time")
   ffi.C.clock_gettime(clock, time)
   return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

function init(args)
   first = tonumber(args[1])
   last = first + tonumber(args[2])
   if args[3] == "close" then wrk.headers["Connection"] = "close" end
end

function response(status)
   if status ~= 200 then
      io.stderr:write(string.format("fixed: response %d has status %d\n", done + 1, status))
      os.exit(1)
   end
   done = done + 1
   if done == first then
      began, burnt = now(MONOTONIC), now(CPU)
   elseif done == last then
      print(string.format("fixed %.6f %.6f", now(MONOTONIC) - began, now(CPU) - burnt))
      io.stdout:flush()
      os.exit(0)
   end
end
