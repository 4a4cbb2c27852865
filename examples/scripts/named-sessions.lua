-- A session with a name, taken up again by the next run. Run it twice: the second time it remembers the first.

local function mine()
  local found = Session.list({ tags = { "example-of-baking" }, status = "active", limit = 1 })[1]
  if found then return found.id, true end
  return Session.create({ name = "Baking", tags = { "example-of-baking" }, metadata = { oven = "gas" } }), false
end

local id, known = mine()
local about = Session.get(id)
print(about.name .. ", " .. about.metadata.oven .. (known and ", known again" or ", new"))

local function remember(words)
  RAG.ingest({ content = words }, { scope = "session", scope_id = id })
end

if not known then
  remember("The sourdough starter lives in the refrigerator and is fed on Fridays.")
  Artifact.store(id, "note", "flour.md", "Rye flour is bought at the mill, twenty kilograms at a time.")
  Session.save(id)
else
  local hit = RAG.search("Where do I keep the leaven?", { scope = "session", scope_id = id, k = 1 }).results[1]
  print(hit.content)
  print(JSON.query(Artifact.list(id), ".[0].name") .. " is there, too")
  Session.complete(id)
  Session.delete(id)
end
