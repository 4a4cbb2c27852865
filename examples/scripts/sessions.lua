-- Two conversations, each with a memory of its own. What is said in one is not found in the other, nor in the
-- library; and it goes when its time is over.

for _, name in ipairs({ "anna", "bela" }) do
  RAG.cleanup_scope("session", name)
  RAG.create_session_collection(name, 3600)
end

local function remember(session, role, words)
  RAG.ingest({ content = words, metadata = { role = role } }, { scope = "session", scope_id = session })
end

remember("anna", "user", "My sister lives in Lisbon and keeps bees.")
remember("anna", "assistant", "How many hives does she have?")
remember("bela", "user", "The train to Graz leaves at seven in the morning.")

local function recall(session, question)
  local found = RAG.search(question, { scope = "session", scope_id = session, k = 1, threshold = 0.2 })
  local hit = found.results[1]
  return hit and hit.content or "nothing"
end

print("anna: " .. recall("anna", "Who has insects for a hobby?"))
print("bela: " .. recall("bela", "Who has insects for a hobby?"))
print("bela: " .. recall("bela", "When do I have to be at the station?"))

-- The text of an artifact is found in its session, too.
Artifact.store("bela", "tool_result", "timetable.txt", "Platform 9, change at Bruck an der Mur.", { tags = { "travel" } })
print("bela: " .. recall("bela", "On which platform do I wait, and where do I change?"))

-- From now on what Anna said stays for a thousandth of a second, also what she said before.
RAG.configure_session({ session_id = "anna", vector_ttl = 0.001 })
local begun = os.clock()
while os.clock() - begun < 0.01 do end
print("anna: " .. recall("anna", "Who has insects for a hobby?"))
print(RAG.get_stats("session", "anna").total_vectors .. " vectors are left of Anna")

print(RAG.cleanup_scope("session", "bela") .. " texts of Bela are removed")
