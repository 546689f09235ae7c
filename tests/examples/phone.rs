use anyhow::{Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use uuid::Uuid;

fn call(path: &str, body: Option<Value>, token: &str) -> Result<Value> {
    let api = std::env::var("MAYDAY_API").unwrap_or("http://127.0.0.1:3000".to_owned());
    let (url, name, bearer) = (api + path, "authorization", format!("Bearer {token}"));
    let answer = match body {
        Some(body) => ureq::post(url).header(name, bearer).send(body.to_string()),
        None => ureq::get(url).header(name, bearer).call(),
    };
    Ok(serde_json::from_str(&answer?.body_mut().read_to_string()?)?)
}

fn press(token: &str) -> Result<String> {
    let events = call("/participant/events", None, token)?;
    // The same `clientId` whenever this press is sent: it is stored once.
    let press = json!({"eventId": events[0]["id"], "kind": "lost", "clientId": Uuid::now_v7()});
    call("/participant/chat-requests", Some(press), token)?;
    Ok(text(&events[0]["name"]).to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<()> {
    let guest = call("/participant/auth/guest", Some(json!({"name": "Anna"})), "")?;
    let address = std::env::var("MAYDAY_SOCKET").unwrap_or("ws://127.0.0.1:3001/connect".to_owned());
    let (mut socket, _) = connect_async(address).await?;
    let first = json!({"Authorization": format!("Bearer {}", text(&guest["token"])), "protocol": 2});
    socket.send(first.to_string().into()).await?;
    while let Some(message) = socket.next().await {
        let frame: Value = serde_json::from_slice(&message?.into_data()).unwrap_or_default();
        let body = &frame["payload"];
        match text(&frame["type"]) {
            "ready" => println!("Help is pressed at {}", press(text(&guest["token"]))?),
            "queue_position" => println!("Place in the queue: {}", body["position"]),
            "new_chat" => {
                println!("{} is here", text(&body["organizerName"]));
                let said =
                    json!({"chatId": body["id"], "message": "By the north gate", "clientId": Uuid::now_v7()});
                let frame = json!({"type": "send_message", "payload": said});
                socket.send(frame.to_string().into()).await?;
            }
            "user_message" if body["fromOrganizer"] == 1 => println!("Team: {}", text(&body["content"])),
            "closed_chat" => {
                println!("The chat is closed");
                return Ok(());
            }
            "error" => println!("Error: {}", text(&body["message"])),
            _ => {}
        }
    }
    bail!("the connection ended")
}
