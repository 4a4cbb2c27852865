-- What a script finds when it begins. `native` holds functions of the program.
local native = ...
local error, pcall, xpcall, load, select, tostring, type = error, pcall, xpcall, load, select, tostring, type
local rawget, setmetatable, concat, floor = rawget, setmetatable, table.concat, math.floor
local create, resume, close = coroutine.create, coroutine.resume, coroutine.close
local over = native.over

-- Whoever catches errors must not catch the end: what is over raises again, all the way up.
local function still(...)
  local why = over()
  if why then error(why, 0) end
  return ...
end

function _G.pcall(...) return still(pcall(...)) end
function coroutine.resume(...) return still(resume(...)) end

-- Where the end is raised, Lua looks at no clock until it is caught; what runs in between must not be the script's: the handlers of
-- xpcall, and what a coroutine that died of it has to close.
function _G.xpcall(f, handler, ...)
  local function handle(...)
    local why = over()
    if why then return why end
    return handler(...)
  end
  return still(xpcall(f, handle, ...))
end
function coroutine.close(co)
  still()
  return still(close(co))
end
local function passed(co, done, ...)
  still()
  if done then return ... end
  close(co)
  error((...), 0)
end
function coroutine.wrap(f)
  local co = create(f)
  return function(...) return passed(co, resume(co, ...)) end
end

-- Compiled code can break out of any sandbox; so there is none, neither to read nor to write.
function _G.load(chunk, name, mode, ...)
  if mode ~= nil and mode ~= "t" and mode ~= "bt" then error("load takes text, and no compiled code", 2) end
  return still(load(chunk, name, "t", ...))
end
_G.dofile, _G.loadfile, _G.warn, string.dump = nil, nil, nil, nil

-- Lua calls finalizers without looking at the clock.
function _G.setmetatable(table, meta)
  if type(meta) == "table" and rawget(meta, "__gc") ~= nil then error("a script has no finalizers (__gc)", 2) end
  return setmetatable(table, meta)
end

local function exit(code)
  if code == nil or code == true then code = 0 elseif code == false then code = 1 end
  if type(code) ~= "number" or code ~= floor(code) or code < 0 or code > 255 then
    error("os.exit takes true, false or a whole number from 0 to 255", 2)
  end
  native.exit(floor(code))
  error(over(), 0)
end
_G.os = { time = os.time, date = os.date, clock = os.clock, difftime = os.difftime, exit = exit }

function _G.print(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  native.print(concat(parts, "\t") .. "\n")
  still()
end

-- A function of the program says what is wrong, and it is raised where the script called it.
local function raising(functions)
  local raised = {}
  for name, does in pairs(functions) do
    raised[name] = function(...)
      local done, value = does(...)
      still()
      if not done then error(value, 2) end
      return value
    end
  end
  return raised
end

_G.RAG = raising(native.RAG)
_G.Artifact = raising(native.Artifact)
_G.Session = raising(native.Session)
_G.JSON = raising(native.JSON)
JSON.encode, JSON.decode = JSON.stringify, JSON.parse

-- The same as Session.create with a table, word by word.
local begin = Session.create
function Session.builder()
  local about, builder = { tags = {} }, {}
  for _, name in ipairs({ "name", "description", "metadata" }) do
    builder[name] = function(self, value) about[name] = value return self end
  end
  function builder:tag(tag) about.tags[#about.tags + 1] = tag return self end
  function builder:tags(tags)
    if type(tags) ~= "table" then error("Session.builder takes a list of texts for 'tags'", 2) end
    for i = 1, #tags do about.tags[#about.tags + 1] = tags[i] end
    return self
  end
  function builder:build() return begin(about) end
  return builder
end
