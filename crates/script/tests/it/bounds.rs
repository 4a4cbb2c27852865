//! Scripts that would take all memory, or all time there is.

use std::time::Duration;

use athenaeum_script::{ScriptError, Settings};
use tokio_util::sync::CancellationToken;

use crate::support::{Place, Ran};

async fn bounded(source: &str) -> Ran {
    within(Duration::from_millis(300), source).await
}

async fn within(time: Duration, source: &str) -> Ran {
    let settings = Settings { memory_bytes: 8 << 20, time };
    Place::new().run_with(source, &[], &settings, CancellationToken::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_on_for_ever_is_stopped() {
    for source in [
        "while true do end",
        "local function f() return f() end f()",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "while true do pcall(pcall, pcall, error) end",
        "local co = coroutine.create(function() while true do pcall(function() while true do end end) end end)
         while true do coroutine.resume(co) co = coroutine.create(function() while true do end end) end",
        "local step = coroutine.wrap(function() while true do coroutine.yield() end end) while true do step() end",
        "local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() while true do end end })
         coroutine.yield() end) coroutine.resume(co) while true do coroutine.close(co) end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "while true do load(function() while true do end end) end",
        "while true do pcall(load, 'while true do end') load('while true do end')() end",
        "setmetatable(_G, { __index = function(_, k) while true do end end }) print(nothing)",
        "table.sort({ 3, 2, 1 }, function() while true do end end)",
        "(('x'):rep(99)):gsub('x', function() while true do end end)",
        "while true do pcall(print, setmetatable({}, { __tostring = function() while true do end end })) end",
        "while true do pcall(RAG.search, 'x', 7) end",
        "while true do pcall(JSON.parse, '[') end",
        // Each table stands in the next one ten times: what is found nowhere takes no memory, and would take years.
        "local t = {} for i = 1, 40 do local u = {} for j = 1, 10 do u[j] = t end t = u end JSON.query(t, '.' .. ('[]'):rep(40) .. '[].x?')",
    ] {
        let ran = bounded(source).await;
        assert!(matches!(ran.ended, Err(ScriptError::Time { left_behind: false, .. })), "{source}: {ran:?}");
        assert!(ran.error().starts_with("test.lua was stopped: it ran for 0.3 s"), "{ran:?}");
    }
}

/// One call into Lua's own library cannot be interrupted; it is left behind. So is what a script wants closed by the very function that
/// the end is raised in, since mlua closes it before it raises an error of a hook, while Lua calls no hook.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_interrupted_does_not_hold_up_whoever_runs_it() {
    for source in [
        "print(1) local a = ('a'):rep(28) print(a:find(('a?'):rep(28) .. ('a'):rep(28) .. 'b'))",
        "table.move({}, 1, 1 << 60, 2)",
        "local for_ever = setmetatable({}, { __close = function() while true do end end })
         coroutine.wrap(function() local x <close> = for_ever while true do end end)()",
        "local for_ever = setmetatable({}, { __close = function() while true do end end })
         local co = coroutine.create(function() local x <close> = for_ever while true do end end)
         local y <close> = setmetatable({}, { __close = function() coroutine.close(co) end }) coroutine.resume(co)",
    ] {
        let ran = bounded(source).await;
        assert!(matches!(ran.ended, Err(ScriptError::Time { left_behind: true, .. })), "{source}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_grows_for_ever_is_stopped() {
    for source in [
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
        "local s = ('x'):rep(1e9)",
        "local s = 'x' while true do s = s .. s end",
        "local s = ('x'):rep(1e6) s = s:gsub('x', ('y'):rep(1e4))",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local function f() local a, b, c = {}, {}, {} return 1 + f() end local t = {} for i = 1, 1e6 do t[i] = coroutine.create(f) coroutine.resume(t[i]) end",
        "JSON.parse('[' .. ('[],'):rep(1e6) .. '[]]')",
        "local t = { 1 } for i = 1, 40 do local u = {} for j = 1, 10 do u[j] = t end t = u end JSON.query(t, '.' .. ('[]'):rep(41))",
    ] {
        // Time enough for a machine that has much to do: the memory is to end first.
        let ran = within(Duration::from_secs(60), source).await;
        let is_memory =
            matches!(ran.ended, Err(ScriptError::Memory { .. })) || ran.error().contains("not enough memory");
        assert!(is_memory, "{source}: {ran:?}");
    }
    let ran = bounded("local s = ('x'):rep(1e9)").await;
    assert_eq!(
        ran.error(),
        "test.lua wanted more than the 8 MiB of memory that a script may have (script.memory_mib)"
    );
    // Whoever catches it goes on with what there is.
    let ran = bounded("print(pcall(string.rep, 'x', 1e9)) print('on')").await;
    assert_eq!(ran.lines().last(), Some(&"on"));
    let ran = bounded("while true do pcall(string.rep, 'x', 1e9) end").await;
    assert!(matches!(ran.ended, Err(ScriptError::Time { left_behind: false, .. })), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recursion_without_end_is_an_error_of_its_own() {
    let ran = bounded("local function f() return 1 + f() end f()").await;
    let why = ran.error();
    assert!(why.contains("stack overflow") || why.contains("memory"), "{why}");
    let ran = bounded("local s = ('('):rep(1000) .. (')'):rep(1000) print(load('return ' .. s))").await;
    assert!(ran.ended.is_ok(), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_runs_it_may_stop_it() {
    for source in ["while true do end", "while true do pcall(function() while true do end end) end"] {
        let cancel = CancellationToken::new();
        let (place, stop) = (Place::new(), cancel.clone());
        let settings = Settings::default();
        let running = place.run_with(source, &[], &settings, cancel);
        let (ran, ()) = tokio::join!(running, async move { stop.cancel() });
        assert!(matches!(ran.ended, Err(ScriptError::Stopped { left_behind: false, .. })), "{ran:?}");
    }
}
