-- Three texts go into a collection of their own, and a question finds the one that answers it,
-- although the two have hardly a word in common.
--
--   athenaeum run examples/scripts/first-rag.lua
--   athenaeum run examples/scripts/first-rag.lua -- --question "Why is the sky blue?"

RAG.configure({ collection = "first-rag", chunk_size = 128, overlap = 16, search_limit = 3 })

local texts = {
  {
    id = "bread",
    content = "Leave the dough overnight in a cool place. It rises slowly, and the loaf tastes of more.",
    metadata = { title = "Bread", kitchen = true },
  },
  {
    id = "bicycle",
    content = "A chain that squeaks wants oil. Wipe off what drips, or it will gather dust.",
    metadata = { title = "The bicycle", kitchen = false },
  },
  {
    id = "sky",
    content = "Air scatters blue light far more than red, and so the whole of it seems blue to us.",
    metadata = { title = "The sky", kitchen = false },
  },
}

local kept = RAG.ingest(texts)
print(string.format("%d texts, %d tokens or so", kept.documents_processed, kept.total_tokens))

local question = ARGS.question or "How long should I wait before baking?"
local found = RAG.search(question, { top_k = 1 })
local best = found.results[1]
print(question)
print("  " .. best.metadata.title .. ": " .. best.content)

-- What is known of a text narrows a search.
local outside = RAG.search(question, { filters = { kitchen = false } })
for _, hit in ipairs(outside) do
  assert(not hit.metadata.kitchen)
end
print(outside.total .. " texts have nothing to do with the kitchen")
