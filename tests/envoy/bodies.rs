//! Bodies of every size and shape: large, chunked, trickled, over HTTP/2, over the limit, malformed.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    common::PythonServer,
    raw::{Answer, call},
    setting::{Setting, Shape, config, in_shapes, one_server, server, through_envoy},
};

in_shapes! {
    arguments_of_300_kb_arrive_whole: Buffered, Buffered136, Duplex;
    a_chunked_and_a_trickled_body_arrive_whole: Buffered, Buffered136, Duplex;
    an_http_2_client_calls: Buffered, Duplex;
    a_body_over_the_limit_is_refused: Buffered, Buffered136, Duplex;
    what_cannot_be_read_is_refused_and_reaches_nobody: Buffered, Duplex;
    what_is_not_http_gets_an_error_that_can_be_read: Buffered, Buffered136;
}

async fn arguments_of_300_kb_arrive_whole(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let mut client = setting.python().await;
    let text = "0123456789".repeat(30_000);
    let answer: Value =
        serde_json::from_str(&client.call_text("py_echo", json!({"text": text})).await).unwrap();
    assert_eq!((answer["length"].as_u64(), answer["text"].as_str()), (Some(300_000), Some(&*text)));
}

async fn a_chunked_and_a_trickled_body_arrive_whole(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let text = "x".repeat(5_000);
    let body = call(3, "py_echo", json!({"text": text}));
    for pause in [Duration::ZERO, Duration::from_millis(20)] {
        let pieces: Vec<Vec<u8>> = body.as_bytes().chunks(500).map(<[u8]>::to_vec).collect();
        let stream = futures_util::stream::unfold(pieces.into_iter(), move |mut pieces| async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, std::io::Error>(pieces.next()?), pieces))
        });
        let answer = setting.post(&[("mcp-session-id", &session)], reqwest::Body::wrap_stream(stream)).await;
        assert_eq!(answer.result()["length"], 5_000);
    }
    // content-length known, bytes one by one
    let mut socket = TcpStream::connect(&setting.listen).await.unwrap();
    let body = call(4, "py_add", json!({"a": 1, "b": 2}));
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\naccept: */*\r\nmcp-session-id: {session}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        setting.listen,
        body.len()
    );
    socket.set_nodelay(true).unwrap();
    for byte in [head.as_bytes(), body.as_bytes()].concat() {
        socket.write_all(&[byte]).await.unwrap();
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains(r#""text":"3""#), "{answer}");
}

async fn an_http_2_client_calls(shape: Shape) {
    let (mut setting, _python) = one_server(shape, &[]).await;
    setting.http = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let session = setting.session().await;
    let answer = setting.call(&session, "py_echo", json!({"text": "y".repeat(100_000)})).await;
    assert_eq!(answer.result()["length"], 100_000);
}

async fn a_body_over_the_limit_is_refused(shape: Shape) {
    let python = PythonServer::start(&[]).await;
    let config = config(&server("python", &python.url(), "py_")) + "limits: {body: 64KiB}\n";
    let setting = Setting::start_with(shape, &config, &[]).await;
    setting.discovered("test/python").await;
    let session = setting.session().await;
    let at = |length: usize| {
        let empty = call(1, "py_echo", json!({"text": ""})).len();
        call(1, "py_echo", json!({"text": "z".repeat(length - empty)}))
    };
    let fits = setting.post(&[("mcp-session-id", &session)], at(65_536)).await;
    assert_eq!(fits.status, 200, "{fits:?}");
    let before = through_envoy(&python);
    let over = setting.post(&[("mcp-session-id", &session)], at(65_537)).await;
    over.assert_refused(413, -32600, &Value::Null);
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        at(300_000).as_bytes().chunks(10_000).map(|piece| Ok(piece.to_vec())).collect();
    let chunked = setting.posting(
        &[("mcp-session-id", &session)],
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces)),
    );
    // a server may answer 413 and close before all was sent
    if let Ok(response) = chunked.send().await {
        Answer::of(response).await.assert_refused(413, -32600, &Value::Null);
    }
    assert_eq!(through_envoy(&python), before);
}

async fn what_cannot_be_read_is_refused_and_reaches_nobody(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let before = through_envoy(&python);
    let good = call(1, "py_add", json!({"a": 1, "b": 2}));
    for (headers, body, status, code) in [
        (&[("content-type", "text/plain")][..], good.clone(), 415, -32600),
        (&[("content-type", "application/json-rpc")], good.clone(), 415, -32600),
        (&[("content-encoding", "gzip")], good.clone(), 415, -32600),
        (&[], "{".to_owned(), 400, -32700),
        (&[], String::new(), 400, -32700),
        (&[], format!("[{good}]"), 400, -32600),
        (&[], format!("\u{feff}{good}"), 400, -32700),
        (&[], format!("{good}{good}"), 400, -32700),
        (&[], good.replacen("\"id\":1", "\"id\":1,\"id\":2", 1), 400, -32600),
        (&[], good.replacen("\"method\"", "\"METHOD\":\"x\",\"method\"", 1), 400, -32600),
        (&[], good.replacen("\"name\"", "\"name\":\"py_headers\",\"name\"", 1), 400, -32600),
    ] {
        let headers = [headers, &[("mcp-session-id", &session)]].concat();
        let answer = setting.post(&headers, body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], code, "{body}: {answer:?}");
    }
    assert_eq!(through_envoy(&python), before);
}

async fn what_is_not_http_gets_an_error_that_can_be_read(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let before = through_envoy(&python);
    for wrong in [
        "GARBAGE\r\n\r\n",
        "GET /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\na blank: x\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(&setting.listen).await.unwrap();
        socket.write_all(wrong.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 "), "{wrong:?}: {answer}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error"]["code"], -32600, "{wrong:?}: {answer}");
    }
    assert_eq!(through_envoy(&python), before);
}
