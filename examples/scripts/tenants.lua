-- Customers whose knowledge lies in one library and never meets.

local knowledge = {
  acme = { "Returns are accepted within thirty days.", "Support answers from nine to five." },
  globex = { "We take nothing back that was opened.", "Our hotline never sleeps." },
}

local names = {}
for tenant, sentences in pairs(knowledge) do
  names[#names + 1] = tenant
  RAG.cleanup_scope("tenant", tenant)
  for number, sentence in ipairs(sentences) do
    RAG.ingest({ id = "rule-" .. number, text = sentence, metadata = { tenant = tenant } }, { tenant_id = tenant })
  end
end
table.sort(names)

local question = "Can I send the goods back to you?"
for _, tenant in ipairs(names) do
  -- Three ways to say the same.
  local one = RAG.search(question, { scope = "tenant:" .. tenant, k = 1 }).results[1]
  local two = RAG.search(question, { scope = "tenant", scope_id = tenant, k = 1 }).results[1]
  local three = RAG.search({ query = question, tenant_id = tenant, top_k = 1 })[1]
  assert(one.id == two.id and two.id == three.id and one.metadata.tenant == tenant)
  print(tenant .. ": " .. one.content)
end

local report = {}
for _, tenant in ipairs(names) do
  report[#report + 1] = { tenant = tenant, texts = RAG.get_stats("tenant", tenant).total_documents }
end
print(JSON.stringify(report[1].texts) .. " texts each, as " .. #JSON.stringify(report) .. " bytes of JSON")

local ok, why = pcall(RAG.search, question, { tenant = "acme" })
assert(not ok)
print("What is not understood is refused: " .. why:match("has no option '%w+'"))
