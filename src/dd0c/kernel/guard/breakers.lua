-- One breaker, and one thing that happens to it. The table of circuit.py decides; here is what its
-- effects do to the record, in the server's time.
--
-- KEYS[1]  the breaker, a hash: state, epoch, failures, failed_ms, until_ms
-- KEYS[2]  names of those that are not closed, by when they opened (ms)
-- KEYS[3]  a number that rises with every change
-- ARGV     the table as JSON, its name, the event (asked, success, failure, abandoned, told_open,
--          or look, which changes nothing), the epoch in which the call began,
--          rules: failures, rest_ms, lease_ms, memory_ms
-- Answer   effect, state, epoch, failures, milliseconds until the rest or the lease is over

local KEPT_MS = 3600 * 1000 -- far longer than any call: an old epoch is not taken for the first one

local name, event, epoch = ARGV[2], ARGV[3], tonumber(ARGV[4])
local enough, rest_ms, lease_ms, memory_ms =
  tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local found = redis.call('HMGET', KEYS[1], 'state', 'epoch', 'failures', 'failed_ms', 'until_ms')
local state = found[1] or 'closed'
local at = tonumber(found[2] or 0)
local failures, failed = tonumber(found[3] or 0), tonumber(found[4] or 0)
local ends = tonumber(found[5] or 0)

local function answer(effect)
  return { effect, state, at, failures, math.max(0, ends - now) }
end

if event == 'look' then
  return answer('nothing')
end

local recent = now - failed <= memory_ms and failures or 0
if event == 'asked' then
  event = now >= ends and 'asked_due' or 'asked'
elseif event ~= 'told_open' and epoch ~= at then
  event = 'stale'
elseif event == 'failure' and recent + 1 >= enough then
  event = 'last_failure'
end

local before = state
local step = cjson.decode(ARGV[1])[state][event]
local effect = step[2]
state = step[1]

if effect == 'count' then
  failures, failed = recent + 1, now
elseif effect == 'forget' then
  if failures == 0 then
    return answer(effect)
  end
  failures = 0
elseif effect == 'probe' or effect == 'trip' or effect == 'release' or effect == 'close' then
  at, failures, failed = math.max(at + 1, now), 0, 0
  ends = ({ probe = now + lease_ms, trip = now + rest_ms, release = now, close = 0 })[effect]
else
  return answer(effect)
end

redis.call(
  'HSET', KEYS[1], 'state', state, 'epoch', string.format('%.0f', at), 'failures', failures,
  'failed_ms', string.format('%.0f', failed), 'until_ms', string.format('%.0f', ends)
)
redis.call('PEXPIRE', KEYS[1], KEPT_MS)
if state == 'closed' then
  redis.call('ZREM', KEYS[2], name)
elseif before == 'closed' then
  redis.call('ZADD', KEYS[2], now, name)
end
redis.call('INCR', KEYS[3])
return answer(effect)
