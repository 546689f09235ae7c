//! Serves [`mayday_sidecar::echo`] on a free port, and prints where.

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ws://{}", listener.local_addr()?);
    mayday_sidecar::echo::run(listener).await;
    Ok(())
}
