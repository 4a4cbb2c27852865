use std::time::Duration;

use athenaeum::retrieval::CancellationToken;

/// Returns a token that Ctrl-C (or SIGTERM) sets. A second one ends the program on the spot.
///
/// Must be called inside the runtime.
pub(crate) fn cancel_on_interrupt() -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        athenaeum::interrupted().await;
        crate::commands::note(&"stopping after what is whole; press Ctrl-C again to stop at once");
        cancel.cancel();
        athenaeum::interrupted().await;
        // An external parser is ended 50 ms after the first one at the latest; none may outlive us.
        tokio::time::sleep(Duration::from_millis(150)).await;
        std::process::exit(130);
    });
    token
}
