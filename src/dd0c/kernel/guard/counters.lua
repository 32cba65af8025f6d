-- The counters, as seen by one call of one holder. Everything in a call happens or nothing does.
--
-- KEYS[1]  the organisation's state, a hash:
--            epoch, run         the epoch it belongs to, and the server's run id then
--            g:<holder>         generation of a holder: raised when it says anew what it holds
--            u:<holder>         until when its lease runs (ms)
--            s:<holder>         number of its last settlement
--            w:<counter's key>  until when somebody wants it (ms)
-- KEYS[2]  … counters, hashes:
--            o:<holder>:<generation>  what a holder has out (money, concurrency)
--            spent, snapshot, epoch   money: as counted from the ledger in that epoch, and on
--            c, cu                    who counts ("holder:generation:token") and until when (ms)
--            <second>                 rate: what was taken in that second
-- ARGV     operation, epoch, holder, generation, then what the operation says.
--
-- What a holder has out is never moved: what it is follows from the holder. A living one, of this
-- generation: outstanding. A living one, of another generation: void, it has said anew what it has.
-- A dead one: lost if it is money, void if it is concurrency. Void fields go with the next grant.

local EPOCH, HOLDER, GENERATION = ARGV[2], ARGV[3], ARGV[4]
local LEASE_MS, COUNT_MS, WANTED_MS = 3000, 10000, 1500
local MINUTE = 61 -- a minute that begins within a second touches 61 of them
local PLENTY = 8 -- chunks
local DAY = 86400
local KEEP = { money = 90 * DAY, rate = 2 * MINUTE, concurrency = DAY }
local AFTER_WINDOW, STATE_KEPT, DEAD_KEPT_MS = 3 * DAY, 30 * DAY, 3600 * 1000

local time = redis.call('TIME')
local now_s = tonumber(time[1])
local now_ms = now_s * 1000 + math.floor(tonumber(time[2]) / 1000)
local SUPERSEDED = { 'superseded' }

local function digits(number) -- tostring() rounds to 14 of them
  return string.format('%.0f', number)
end

local function hash(key)
  local flat, found = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do
    found[flat[i]] = flat[i + 1]
  end
  return found
end

-- A server that was started again may have forgotten the last second.
local function run()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
end

-- An end too far ahead was set before the clock was put back: it is none.
local function runs(until_ms, length_ms)
  local ends = tonumber(until_ms or 0)
  return now_ms < ends and ends <= now_ms + 2 * length_ms
end

local function lives(org, holder)
  return runs(org['u:' .. holder], LEASE_MS)
end

local function enter()
  local org = hash(KEYS[1])
  if org['g:' .. HOLDER] == GENERATION and lives(org, HOLDER) and org.run == run() then
    return org
  end
end

local function own()
  return 'o:' .. HOLDER .. ':' .. GENERATION
end

local function keep(key, kind, window_ends)
  local ends = tonumber(window_ends)
  if kind == 'money' and ends > 0 then
    redis.call('EXPIREAT', key, math.max(ends, now_s) + AFTER_WINDOW)
  else
    redis.call('EXPIRE', key, KEEP[kind])
  end
end

local function lower(key, field, amount)
  local left = tonumber(redis.call('HGET', key, field) or 0) - amount
  if left > 0 then
    redis.call('HSET', key, field, digits(left))
  else
    redis.call('HDEL', key, field)
  end
end

-- Whose a field of a counter is, and whether it is out, lost or void.
local function standing(org, field, kind)
  local holder, generation = string.match(field, '^o:(.*):(%d+)$')
  if not holder then
    return nil
  end
  local said = org['g:' .. holder]
  if said and said ~= generation then
    return holder, 'void'
  elseif lives(org, holder) then
    return holder, 'out'
  end
  return holder, kind == 'money' and 'lost' or 'void'
end

-- What is held of money or concurrency: ours, the living others', the dead ones', and void fields.
local function held(org, found, kind)
  local ours, others, lost, void = 0, 0, 0, {}
  for field, value in pairs(found) do
    local holder, is = standing(org, field, kind)
    if is == 'void' then
      void[#void + 1] = field
    elseif is == 'lost' then
      lost = lost + tonumber(value)
    elseif holder == HOLDER then
      ours = ours + tonumber(value)
    elseif holder then
      others = others + tonumber(value)
    end
  end
  return ours, others, lost, void
end

-- The buckets of a rate that count. Those ahead of us were filled before the clock was put back:
-- they count as filled now.
local function minute(found)
  local sum, ahead, void, by_second = 0, 0, {}, {}
  for field, value in pairs(found) do
    local second, amount = tonumber(field), tonumber(value)
    if second <= now_s - MINUTE then
      void[#void + 1] = field
    else
      sum = sum + amount
      if second > now_s then
        ahead = ahead + amount
        void[#void + 1] = field
        second = now_s
      end
      by_second[second] = (by_second[second] or 0) + amount
    end
  end
  return sum, ahead, void, by_second
end

-- Milliseconds until `need` fits below the cap, as far as time alone brings it; -1: never.
local function frees(ask)
  if ask.kind ~= 'rate' then
    return -1
  end
  local sum = ask.used
  for second = now_s - MINUTE + 1, now_s do
    sum = sum - (ask.by_second[second] or 0)
    if sum + ask.need <= ask.cap then
      return (second + MINUTE) * 1000 - now_ms
    end
  end
  return -1
end

local function load(org, index)
  local at = 5 + (index - 2) * 5
  local ask = {
    key = KEYS[index], kind = ARGV[at], cap = tonumber(ARGV[at + 1]), need = tonumber(ARGV[at + 2]),
    want = tonumber(ARGV[at + 3]), window_ends = ARGV[at + 4], others = 0, ahead = 0,
  }
  local found = hash(ask.key)
  if ask.kind == 'rate' then
    ask.field = time[1]
    ask.used, ask.ahead, ask.void, ask.by_second = minute(found)
  else
    local ours, others, lost, void = held(org, found, ask.kind)
    ask.field, ask.others, ask.void = own(), others, void
    ask.used = ours + others + lost
    if ask.kind == 'money' then
      ask.uncounted = found.epoch ~= EPOCH
      ask.used = ask.used + tonumber(found.spent or 0)
    end
  end
  return ask
end

local function add(ask, amount)
  if #ask.void > 0 then
    redis.call('HDEL', ask.key, unpack(ask.void))
  end
  redis.call('HINCRBY', ask.key, ask.field, digits(amount + ask.ahead))
  keep(ask.key, ask.kind, ask.window_ends)
end

local function refusal(asks)
  local uncounted = { 'uncounted' }
  for i, ask in ipairs(asks) do
    if ask.uncounted then
      uncounted[#uncounted + 1] = i - 1
    end
  end
  if #uncounted > 1 then
    return uncounted
  end
  for i, ask in ipairs(asks) do
    if ask.used + ask.need > ask.cap then
      if ask.others > 0 then
        redis.call('HSET', KEYS[1], 'w:' .. ask.key, digits(now_ms + WANTED_MS))
      end
      return { 'short', i - 1, math.max(0, ask.cap - ask.used), ask.others, frees(ask) }
    end
  end
end

local function grant(org)
  local asks = {}
  for index = 2, #KEYS do
    asks[index - 1] = load(org, index)
  end
  local refused = refusal(asks)
  if refused then
    return refused
  end
  local answer = { 'granted', now_s, 1000 - now_ms % 1000 }
  for _, ask in ipairs(asks) do
    local remaining = ask.cap - ask.used
    local tight = remaining < PLENTY * ask.want
    local amount = tight and ask.need or ask.want
    add(ask, amount)
    answer[#answer + 1] = amount
    answer[#answer + 1] = remaining - amount
    answer[#answer + 1] = tight and 1 or 0
  end
  return answer
end

local operations = {}

-- per counter: kind, cap, need, want, end of window
function operations.take()
  local org = enter()
  if not org then
    return SUPERSEDED
  end
  return grant(org)
end

-- as take, of rates only, by whoever asks: what was taken of a rate is held by nobody
function operations.pass()
  return grant({})
end

-- per counter: as for take; `need` is taken whatever the cap is
function operations.take_anyway()
  local org = enter()
  if not org then
    return SUPERSEDED
  end
  for index = 2, #KEYS do
    local ask = load(org, index)
    add(ask, ask.need)
  end
  return { 'ok' }
end

-- the second in which rates were taken; per counter: kind, amount
function operations.give_back()
  if not enter() then
    return SUPERSEDED
  end
  for index = 2, #KEYS do
    local at = 6 + (index - 2) * 2
    local field = ARGV[at] == 'rate' and ARGV[5] or own()
    lower(KEYS[index], field, tonumber(ARGV[at + 1]))
  end
  return { 'ok' }
end

local function count(token)
  return HOLDER .. ':' .. GENERATION .. ':' .. token
end

local function counting(org, found)
  local holder, generation = string.match(found.c or '', '^(.*):(%d+):%d+$')
  local known = holder and lives(org, holder) and org['g:' .. holder] == generation
  return known and runs(found.cu, COUNT_MS)
end

-- xmin:xmax:xip,… of pg_current_snapshot(): was the transaction over when it was taken?
local function visible(xid, snapshot)
  local xmin, xmax, running = string.match(snapshot, '^(%d+):(%d+):(.*)$')
  local number = tonumber(xid)
  return number < tonumber(xmin)
    or (number < tonumber(xmax) and not string.find(',' .. running .. ',', ',' .. xid .. ',', 1, true))
end

-- number, transaction; per counter: amount
function operations.settle()
  local org = enter()
  if not org then
    return SUPERSEDED
  end
  local counters = {}
  for index = 2, #KEYS do
    counters[index] = hash(KEYS[index])
    if counting(org, counters[index]) then
      return { 'counting' }
    end
  end
  local again = tonumber(ARGV[5]) <= tonumber(org['s:' .. HOLDER] or 0)
  for index = 2, #KEYS do
    local found, amount = counters[index], ARGV[7 + index - 2]
    lower(KEYS[index], own(), tonumber(amount))
    redis.call('HDEL', KEYS[index], 'c', 'cu') -- its count came too late: it does not know of this
    if not again and found.epoch == EPOCH and not visible(ARGV[6], found.snapshot) then
      redis.call('HINCRBY', KEYS[index], 'spent', amount)
    end
  end
  if not again then
    redis.call('HSET', KEYS[1], 's:' .. HOLDER, ARGV[5])
  end
  return { 'ok' }
end

-- token; one counter: end of window
function operations.begin_count()
  local org = enter()
  if not org then
    return SUPERSEDED
  end
  if counting(org, hash(KEYS[2])) then
    return { 'counting' }
  end
  redis.call('HSET', KEYS[2], 'c', count(ARGV[5]), 'cu', digits(now_ms + COUNT_MS))
  keep(KEYS[2], 'money', ARGV[6])
  return { 'ok' }
end

-- token, spent, snapshot; one counter: end of window
function operations.end_count()
  local org = enter()
  if not org then
    return SUPERSEDED
  end
  local found = hash(KEYS[2])
  if found.c ~= count(ARGV[5]) or not counting(org, found) then
    return { 'late' }
  end
  redis.call('HDEL', KEYS[2], 'c', 'cu')
  redis.call('HSET', KEYS[2], 'spent', ARGV[6], 'snapshot', ARGV[7], 'epoch', EPOCH)
  keep(KEYS[2], 'money', ARGV[8])
  return { 'ok' }
end

-- the beginning of the names of holders whose spool is in the ledger, or nothing
function operations.recount()
  local org, gone, left = hash(KEYS[1]), ARGV[5], 'ok'
  for index = 2, #KEYS do
    local fields = { 'spent', 'snapshot', 'epoch', 'c', 'cu' }
    for field, value in pairs(hash(KEYS[index])) do
      local holder, is = standing(org, field, 'money')
      if gone ~= '' and holder and holder ~= HOLDER and string.sub(holder, 1, #gone) == gone then
        if is == 'out' and tonumber(value) > 0 then
          left = 'living'
        else
          fields[#fields + 1] = field
        end
      end
    end
    redis.call('HDEL', KEYS[index], unpack(fields))
  end
  return { left }
end

-- per counter: kind
function operations.read()
  local org, answer = hash(KEYS[1]), { 'ok' }
  for index = 2, #KEYS do
    local found, kind = hash(KEYS[index]), ARGV[5 + index - 2]
    if kind == 'rate' then
      answer[#answer + 1] = { -1, 0, 0, (minute(found)) }
    else
      local counted = found.epoch and found.epoch == org.epoch
      local ours, others, lost = held(org, found, kind)
      answer[#answer + 1] = { counted and tonumber(found.spent) or -1, ours + others, lost, 0 }
    end
  end
  return answer
end

-- KEYS[1] is the state of the installation here. The newest epoch that the caller has seen
function operations.epoch()
  local found, this = hash(KEYS[1]), run()
  if found.run ~= this then
    local last = math.max(tonumber(found.epoch or 0), tonumber(ARGV[5]))
    found = { epoch = digits(math.max(now_ms, last + 1)), born = digits(now_ms) }
    redis.call('HSET', KEYS[1], 'epoch', found.epoch, 'born', found.born, 'run', this)
  elseif tonumber(found.born) > now_ms then -- the clock was put back
    found.born = digits(now_ms)
    redis.call('HSET', KEYS[1], 'born', found.born)
  end
  redis.call('EXPIRE', KEYS[1], STATE_KEPT)
  return { 'ok', tonumber(found.epoch), now_ms - tonumber(found.born) }
end

-- per counter: kind, amount, end of window
function operations.post()
  local org, this = hash(KEYS[1]), run()
  local epoch, generation = tonumber(org.epoch or 0), tonumber(org['g:' .. HOLDER] or 0)
  local stale = epoch > tonumber(EPOCH) or (org.epoch == EPOCH and org.run ~= this)
  if stale or generation > tonumber(GENERATION) then
    return SUPERSEDED
  elseif epoch < tonumber(EPOCH) then
    for field in pairs(org) do -- where the data is still there all are dead until they post
      if string.find(field, '^u:') then
        redis.call('HSET', KEYS[1], field, digits(now_ms))
      end
    end
    redis.call('HSET', KEYS[1], 'epoch', EPOCH, 'run', this)
  end
  redis.call('HSET', KEYS[1], 'g:' .. HOLDER, GENERATION, 'u:' .. HOLDER, digits(now_ms + LEASE_MS))
  redis.call('EXPIRE', KEYS[1], STATE_KEPT)
  org['g:' .. HOLDER] = GENERATION
  for index = 2, #KEYS do
    local at = 5 + (index - 2) * 3
    local _, _, _, void = held(org, hash(KEYS[index]), ARGV[at])
    if #void > 0 then
      redis.call('HDEL', KEYS[index], unpack(void))
    end
    redis.call('HSET', KEYS[index], own(), ARGV[at + 1])
    keep(KEYS[index], ARGV[at], ARGV[at + 2])
  end
  return { 'ok' }
end

function operations.renew()
  local org = enter()
  if not org then
    return SUPERSEDED
  end
  redis.call('HSET', KEYS[1], 'u:' .. HOLDER, digits(now_ms + LEASE_MS))
  redis.call('EXPIRE', KEYS[1], STATE_KEPT)
  local answer = { 'ok' }
  for field, value in pairs(org) do
    local kind, name = string.match(field, '^([uw]):(.*)$')
    if kind == 'w' and runs(value, WANTED_MS) then
      answer[#answer + 1] = name
    elseif kind == 'w' then
      redis.call('HDEL', KEYS[1], field)
    elseif kind == 'u' and tonumber(value) < now_ms - DEAD_KEPT_MS then
      redis.call('HDEL', KEYS[1], field, 'g:' .. name, 's:' .. name)
    end
  end
  return answer
end

return operations[ARGV[1]]()
